# Uses the client of openapi-generator's `ruby`; prints what it read.
require 'json'
require 'uri'
require 'openapi_client'

include OpenapiClient

def client(token = nil)
  address = URI(ENV.fetch('PUSHI_URL'))
  configuration = Configuration.new
  configuration.scheme = address.scheme
  configuration.host = "#{address.host}:#{address.port}"
  configuration.base_path = ''
  # The document names no address; without this, the client takes the document's.
  configuration.server_index = nil
  configuration.access_token = token
  ApiClient.new(configuration)
end

# The code in the typed error of an operation.
def code
  yield
  raise 'no error'
rescue ApiError => e
  ErrorAnswer.build_from_hash(JSON.parse(e.response_body, symbolize_names: true)).code
end

ident = ENV.fetch('PUSHI_APP_ID')
credentials = Credentials.new(
  app_id: ident, app_key: ENV.fetch('PUSHI_APP_KEY'), app_secret: ENV.fetch('PUSHI_APP_SECRET')
)
token = SessionsApi.new(client).login(credentials).token
session = client(token)
admin = client(ENV.fetch('PUSHI_ADMIN'))
events = EventsApi.new(session)
subscriptions = SubscriptionsApi.new(session)
apps = AppsApi.new(session)

# The generator has no additional members.
publications = [
  Publication.new(channel: ['steps'], event: 'text', data: 'a text'),
  Publication.new(channel: ['steps'], event: 'object', data: { n: 1 }),
  Publication.new(channel: %w[first second], event: 'two', data: 'two'),
  Publication.new(data: 'alone')
]
published = publications.map { |publication| events.publish_event(publication).result }

subscribed = subscriptions.create_subscription(SubscriptionWish.new(user_id: 'ann', event: 'news'))
listed = subscriptions.list_subscriptions(user_id: 'ann').subscriptions
ended = subscriptions.delete_subscription('ann', 'news')
again = subscriptions.delete_subscription('ann', 'news')
renamed = apps.update_app(ident, AppChange.new(name: 'renamed'))
reset = apps.update_app(ident, AppChange.new(reset: ['client_events']))
event = events.list_events(count: 1, channel: 'steps').events.first

puts JSON.generate(
  published: published,
  subscribed: subscribed.event,
  listed: listed.map(&:event),
  ended: [ended.event, again.result],
  renamed: renamed.name,
  reset: reset.client_events,
  event: event.data.event,
  time: event.timestamp,
  missing: code { SocketsApi.new(session).get_socket('1.1') },
  unauthorized: code { SocketsApi.new(client('unknown')).list_sockets },
  created: AppsApi.new(admin).create_app(AppDraft.new(name: 'created')).ident,
  health: HealthApi.new(admin).get_detailed_health.checks.database.status
)
