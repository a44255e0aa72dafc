<?php
// Uses the client of openapi-generator's `php`; prints what it read.
declare(strict_types=1);

// A warning or notice of the generated code ends the program.
set_error_handler(function (int $level, string $message, string $file, int $line): never {
    throw new ErrorException($message, 0, $level, $file, $line);
});
// Debian's package of Guzzle, and the generated classes.
require 'GuzzleHttp/autoload.php';
spl_autoload_register(function (string $class): void {
    $prefix = 'OpenAPI\\Client\\';
    if (str_starts_with($class, $prefix)) {
        require getenv('CLIENT') . '/lib/' . str_replace('\\', '/', substr($class, strlen($prefix))) . '.php';
    }
});

use OpenAPI\Client\Api\{AppsApi, EventsApi, HealthApi, SessionsApi, SocketsApi, SubscriptionsApi};
use OpenAPI\Client\{ApiException, Configuration};
use OpenAPI\Client\Model\{AppChange, AppDraft, Credentials, ErrorAnswer, Publication, SubscriptionWish};

$http = new GuzzleHttp\Client();

function configuration(?string $token = null): Configuration
{
    $configuration = (new Configuration())->setHost(getenv('PUSHI_URL'));
    return $token === null ? $configuration : $configuration->setAccessToken($token);
}

/** The code in the typed error of an operation. */
function code(callable $operation): int
{
    try {
        $operation();
    } catch (ApiException $error) {
        $answer = $error->getResponseObject();
        assert($answer instanceof ErrorAnswer);
        return $answer->getCode();
    }
    throw new RuntimeException('no error');
}

$ident = getenv('PUSHI_APP_ID');
$credentials = new Credentials([
    'app_id' => $ident, 'app_key' => getenv('PUSHI_APP_KEY'), 'app_secret' => getenv('PUSHI_APP_SECRET'),
]);
$token = (new SessionsApi($http, configuration()))->login($credentials)->getToken();
$session = configuration($token);
$admin = configuration(getenv('PUSHI_ADMIN'));
$events = new EventsApi($http, $session);
$subscriptions = new SubscriptionsApi($http, $session);
$apps = new AppsApi($http, $session);

// The generator has no additional members.
$publications = [
    new Publication(['channel' => ['steps'], 'event' => 'text', 'data' => 'a text']),
    new Publication(['channel' => ['steps'], 'event' => 'object', 'data' => ['n' => 1]]),
    new Publication(['channel' => ['first', 'second'], 'event' => 'two', 'data' => 'two']),
    new Publication(['data' => 'alone']),
];
$published = array_map(fn (Publication $one) => $events->publishEvent($one)->getResult(), $publications);

$subscribed = $subscriptions->createSubscription(new SubscriptionWish(['user_id' => 'ann', 'event' => 'news']));
$listed = $subscriptions->listSubscriptions('ann')->getSubscriptions();
$ended = $subscriptions->deleteSubscription('ann', 'news');
$again = $subscriptions->deleteSubscription('ann', 'news');
$renamed = $apps->updateApp($ident, new AppChange(['name' => 'renamed']));
$reset = $apps->updateApp($ident, new AppChange(['reset' => ['client_events']]));
$event = $events->listEvents(1, 'steps')->getEvents()[0];

echo json_encode([
    'published' => $published,
    'subscribed' => $subscribed->getEvent(),
    'listed' => array_map(fn ($one) => $one->getEvent(), $listed),
    'ended' => [$ended->getEvent(), $again->getResult()],
    'renamed' => $renamed->getName(),
    'reset' => $reset->getClientEvents(),
    'event' => $event->getData()->getEvent(),
    'time' => $event->getTimestamp(),
    'missing' => code(fn () => (new SocketsApi($http, $session))->getSocket('1.1')),
    'unauthorized' => code(fn () => (new SocketsApi($http, configuration('unknown')))->listSockets()),
    'created' => (new AppsApi($http, $admin))->createApp(new AppDraft(['name' => 'created']))->getIdent(),
    'health' => (new HealthApi($http, $admin))->getDetailedHealth()->getChecks()->getDatabase()->getStatus(),
]);
