// Uses the client of ogen; prints what it read.
package main

import (
	"context"
	"encoding/json"
	"os"

	"github.com/go-faster/jx"
	"github.com/ogen-go/ogen/ogenerrors"

	"pushi.tests/program/client"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// A bearer token, the only credential used here.
type token string

func (t token) Bearer(context.Context, client.OperationName) (client.Bearer, error) {
	if t == "" {
		return client.Bearer{}, ogenerrors.ErrSkipClientSecurity
	}
	return client.Bearer{Token: string(t)}, nil
}

func (token) PusherSignature(context.Context, client.OperationName) (client.PusherSignature, error) {
	return client.PusherSignature{}, ogenerrors.ErrSkipClientSecurity
}

func (token) SessionQuery(context.Context, client.OperationName) (client.SessionQuery, error) {
	return client.SessionQuery{}, ogenerrors.ErrSkipClientSecurity
}

func (token) UserToken(context.Context, client.OperationName) (client.UserToken, error) {
	return client.UserToken{}, ogenerrors.ErrSkipClientSecurity
}

func with(value string) *client.Client {
	return must(client.NewClient(os.Getenv("PUSHI_URL"), token(value)))
}

func publication(event, data string, channels ...string) client.Publication {
	return client.Publication{Channel: channels, Event: client.NewOptString(event), Data: jx.Raw(data)}
}

func main() {
	ctx := context.Background()
	ident := os.Getenv("PUSHI_APP_ID")
	credentials := client.Credentials{AppID: ident, AppKey: os.Getenv("PUSHI_APP_KEY"), AppSecret: os.Getenv("PUSHI_APP_SECRET")}
	login := must(with("").Login(ctx, &credentials)).(*client.SessionToken)
	session, admin := with(login.Token), with(os.Getenv("PUSHI_ADMIN"))

	more := publication("more", `"more"`, "steps")
	more.AdditionalProps = client.PublicationAdditional{"extra": jx.Raw(`{"a":[1,null]}`)}
	publications := []client.Publication{
		publication("text", `"a text"`, "steps"),
		publication("object", `{"n":1}`, "steps"),
		publication("two", `"two"`, "first", "second"),
		more,
		{Data: jx.Raw(`"alone"`)},
	}
	var published []string
	for _, one := range publications {
		done := must(session.PublishEvent(ctx, &one, client.PublishEventParams{})).(*client.Done)
		published = append(published, done.Result)
	}

	wish := client.SubscriptionWish{UserID: "ann", Event: "news"}
	subscribed := must(session.CreateSubscription(ctx, &wish)).(*client.Subscription)
	listed := []string{}
	filter := client.ListSubscriptionsParams{UserID: client.NewOptString("ann")}
	for _, one := range must(session.ListSubscriptions(ctx, filter)).(*client.SubscriptionList).Subscriptions {
		listed = append(listed, one.Event)
	}
	end := client.DeleteSubscriptionParams{UserID: "ann", Event: "news"}
	ended := must(session.DeleteSubscription(ctx, end)).(*client.EndedSubscription)
	again := must(session.DeleteSubscription(ctx, end)).(*client.EndedSubscription)
	app := client.UpdateAppParams{Ident: ident}
	rename := client.AppChange{Name: client.NewOptNilString("renamed")}
	renamed := must(session.UpdateApp(ctx, &rename, app)).(*client.App)
	settings := []client.AppChangeResetItem{client.AppChangeResetItemClientEvents}
	change := client.AppChange{Reset: client.NewOptNilAppChangeResetItemArray(settings)}
	reset := must(session.UpdateApp(ctx, &change, app)).(*client.App)
	page := client.ListEventsParams{Count: client.NewOptInt64(1), Channel: client.NewOptString("steps")}
	event := must(session.ListEvents(ctx, page)).(*client.EventList).Events[0]
	missing := must(session.GetSocket(ctx, client.GetSocketParams{SocketID: "1.1"})).(*client.GetSocketNotFound)
	unauthorized := must(with("unknown").ListSockets(ctx, client.ListSocketsParams{})).(*client.UnauthorizedHeaders)

	err := json.NewEncoder(os.Stdout).Encode(map[string]any{
		"published":    published,
		"subscribed":   subscribed.Event,
		"listed":       listed,
		"ended":        []string{ended.Event.Value, again.Result.Value},
		"renamed":      renamed.Name,
		"reset":        reset.ClientEvents,
		"event":        event.Data.Event,
		"time":         event.Timestamp,
		"missing":      missing.Code,
		"unauthorized": unauthorized.Response.Code,
		"created":      must(admin.CreateApp(ctx, &client.AppDraft{Name: "created"})).(*client.App).Ident,
		"health":       must(admin.GetDetailedHealth(ctx)).(*client.DetailedHealth).Checks.Database.Status,
	})
	if err != nil {
		panic(err)
	}
}
