// Uses the client of openapi-generator's `kotlin`; prints what it read.
import org.openapitools.client.apis.AppsApi
import org.openapitools.client.apis.EventsApi
import org.openapitools.client.apis.HealthApi
import org.openapitools.client.apis.SessionsApi
import org.openapitools.client.apis.SocketsApi
import org.openapitools.client.apis.SubscriptionsApi
import org.openapitools.client.infrastructure.ApiClient
import org.openapitools.client.infrastructure.ClientError
import org.openapitools.client.infrastructure.ClientException
import org.openapitools.client.infrastructure.Serializer
import org.openapitools.client.models.AppChange
import org.openapitools.client.models.AppDraft
import org.openapitools.client.models.Credentials
import org.openapitools.client.models.ErrorAnswer
import org.openapitools.client.models.Publication
import org.openapitools.client.models.SubscriptionWish

/** The code in the typed error of an operation. */
fun code(operation: () -> Any): Int {
    try {
        operation()
    } catch (error: ClientException) {
        val body = (error.response as ClientError<*>).body as String
        return checkNotNull(Serializer.moshi.adapter(ErrorAnswer::class.java).fromJson(body)).code
    }
    error("no error")
}

fun main() {
    val url = System.getenv("PUSHI_URL")
    val ident = System.getenv("PUSHI_APP_ID")
    val credentials = Credentials(ident, System.getenv("PUSHI_APP_KEY"), System.getenv("PUSHI_APP_SECRET"))
    ApiClient.accessToken = SessionsApi(url).login(credentials).token
    val events = EventsApi(url)
    val subscriptions = SubscriptionsApi(url)
    val apps = AppsApi(url)
    val sockets = SocketsApi(url)

    // The generator does not send additional members.
    val publications = listOf(
        Publication(channel = listOf("steps"), event = "text", data = "a text"),
        Publication(channel = listOf("steps"), event = "object", data = mapOf("n" to 1)),
        Publication(channel = listOf("first", "second"), event = "two", data = "two"),
        Publication(data = "alone"),
    )
    val read = mutableMapOf<String, Any?>()
    read["published"] = publications.map { events.publishEvent(it).result }
    read["subscribed"] = subscriptions.createSubscription(SubscriptionWish("ann", "news")).event
    read["listed"] = subscriptions.listSubscriptions(userId = "ann").subscriptions.map { it.event }
    val ended = subscriptions.deleteSubscription("ann", "news")
    read["ended"] = listOf(ended.event, subscriptions.deleteSubscription("ann", "news").result)
    read["renamed"] = apps.updateApp(ident, AppChange(name = "renamed")).name
    read["reset"] = apps.updateApp(ident, AppChange(reset = listOf(AppChange.Reset.client_events))).clientEvents
    val event = events.listEvents(count = 1, channel = "steps").events.first()
    read["event"] = event.data.event
    read["time"] = event.timestamp
    read["missing"] = code { sockets.getSocket("1.1") }
    // The token is one for all clients of the process.
    ApiClient.accessToken = "unknown"
    read["unauthorized"] = code { sockets.listSockets() }
    ApiClient.accessToken = System.getenv("PUSHI_ADMIN")
    read["created"] = apps.createApp(AppDraft(name = "created")).ident
    read["health"] = HealthApi(url).getDetailedHealth().checks.database.status.value
    println(Serializer.moshi.adapter(Any::class.java).toJson(read))
}
