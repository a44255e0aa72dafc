import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.AppsApi;
import org.openapitools.client.api.EventsApi;
import org.openapitools.client.api.HealthApi;
import org.openapitools.client.api.SessionsApi;
import org.openapitools.client.api.SocketsApi;
import org.openapitools.client.api.SubscriptionsApi;
import org.openapitools.client.model.AppChange;
import org.openapitools.client.model.AppDraft;
import org.openapitools.client.model.Credentials;
import org.openapitools.client.model.ErrorAnswer;
import org.openapitools.client.model.Publication;
import org.openapitools.client.model.SubscriptionWish;

/** Uses the client of openapi-generator's `java` (library `native`); prints what it read. */
public final class Program {
  private interface Operation {
    Object call() throws ApiException;
  }

  private static ApiClient client(String token) {
    ApiClient client = new ApiClient();
    client.updateBaseUri(System.getenv("PUSHI_URL"));
    if (token != null) {
      client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + token));
    }
    return client;
  }

  /** The code in the typed error of an operation. */
  private static int code(Operation operation) throws Exception {
    try {
      operation.call();
    } catch (ApiException error) {
      return ApiClient.createDefaultObjectMapper().readValue(error.getResponseBody(), ErrorAnswer.class).getCode();
    }
    throw new AssertionError("no error");
  }

  public static void main(String[] arguments) throws Exception {
    String ident = System.getenv("PUSHI_APP_ID");
    Credentials credentials =
        new Credentials()
            .appId(ident)
            .appKey(System.getenv("PUSHI_APP_KEY"))
            .appSecret(System.getenv("PUSHI_APP_SECRET"));
    String token = new SessionsApi(client(null)).login(credentials).getToken();
    ApiClient session = client(token);
    ApiClient admin = client(System.getenv("PUSHI_ADMIN"));
    EventsApi events = new EventsApi(session);
    SubscriptionsApi subscriptions = new SubscriptionsApi(session);
    AppsApi apps = new AppsApi(session);

    List<Publication> publications =
        List.of(
            new Publication().channel(List.of("steps")).event("text").data("a text"),
            new Publication().channel(List.of("steps")).event("object").data(Map.of("n", 1)),
            new Publication().channel(List.of("first", "second")).event("two").data("two"),
            new Publication().data("alone"));
    List<String> published = new ArrayList<>();
    for (Publication publication : publications) {
      published.add(events.publishEvent(publication, null).getResult());
    }

    Map<String, Object> read = new LinkedHashMap<>();
    read.put("published", published);
    SubscriptionWish wish = new SubscriptionWish().userId("ann").event("news");
    read.put("subscribed", subscriptions.createSubscription(wish).getEvent());
    List<String> listed = new ArrayList<>();
    subscriptions
        .listSubscriptions("ann", null, null, null)
        .getSubscriptions()
        .forEach(one -> listed.add(one.getEvent()));
    read.put("listed", listed);
    read.put(
        "ended",
        List.of(
            subscriptions.deleteSubscription("ann", "news", null).getEvent(),
            subscriptions.deleteSubscription("ann", "news", null).getResult()));
    read.put("renamed", apps.updateApp(ident, new AppChange().name("renamed")).getName());
    AppChange reset = new AppChange().reset(List.of(AppChange.ResetEnum.CLIENT_EVENTS));
    read.put("reset", apps.updateApp(ident, reset).getClientEvents());
    var event = events.listEvents(1L, "steps", null).getEvents().get(0);
    read.put("event", event.getData().getEvent());
    read.put("time", event.getTimestamp());
    read.put("missing", code(() -> new SocketsApi(session).getSocket("1.1")));
    read.put("unauthorized", code(() -> new SocketsApi(client("unknown")).listSockets(null, null)));
    read.put("created", new AppsApi(admin).createApp(new AppDraft().name("created")).getIdent());
    read.put("health", new HealthApi(admin).getDetailedHealth().getChecks().getDatabase().getStatus().getValue());
    System.out.println(new ObjectMapper().writeValueAsString(read));
  }
}
