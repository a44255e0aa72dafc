// Uses the client of oapi-codegen; prints what it read.
package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"

	"pushi.tests/program/client"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func with(token string) *client.ClientWithResponses {
	authorize := func(_ context.Context, request *http.Request) error {
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		return nil
	}
	return must(client.NewClientWithResponses(os.Getenv("PUSHI_URL"), client.WithRequestEditorFn(authorize)))
}

func publication(event string, data any, channels ...string) client.Publication {
	return client.Publication{Channel: &channels, Event: &event, Data: data}
}

func main() {
	ctx := context.Background()
	ident := os.Getenv("PUSHI_APP_ID")
	credentials := client.Credentials{AppId: ident, AppKey: os.Getenv("PUSHI_APP_KEY"), AppSecret: os.Getenv("PUSHI_APP_SECRET")}
	token := must(with("").LoginWithResponse(ctx, credentials)).JSON200.Token
	session, admin := with(token), with(os.Getenv("PUSHI_ADMIN"))

	more := publication("more", "more", "steps")
	more.AdditionalProperties = map[string]any{"extra": map[string]any{"a": []any{1, nil}}}
	publications := []client.Publication{
		publication("text", "a text", "steps"),
		publication("object", map[string]any{"n": 1}, "steps"),
		publication("two", "two", "first", "second"),
		more,
		{Data: "alone"},
	}
	var published []string
	for _, one := range publications {
		published = append(published, must(session.PublishEventWithResponse(ctx, nil, one)).JSON200.Result)
	}

	user, channel, name, count := "ann", "steps", "renamed", int64(1)
	wish := client.SubscriptionWish{UserId: user, Event: "news"}
	subscribed := must(session.CreateSubscriptionWithResponse(ctx, wish)).JSON200
	listed := []string{}
	filter := client.ListSubscriptionsParams{UserId: &user}
	for _, one := range must(session.ListSubscriptionsWithResponse(ctx, &filter)).JSON200.Subscriptions {
		listed = append(listed, one.Event)
	}
	ended := must(session.DeleteSubscriptionWithResponse(ctx, user, "news", nil)).JSON200
	again := must(session.DeleteSubscriptionWithResponse(ctx, user, "news", nil)).JSON200
	renamed := must(session.UpdateAppWithResponse(ctx, ident, client.AppChange{Name: &name})).JSON200
	settings := []client.AppChangeReset{client.AppChangeResetClientEvents}
	reset := must(session.UpdateAppWithResponse(ctx, ident, client.AppChange{Reset: &settings})).JSON200
	page := client.ListEventsParams{Count: &count, Channel: &channel}
	event := must(session.ListEventsWithResponse(ctx, &page)).JSON200.Events[0]

	err := json.NewEncoder(os.Stdout).Encode(map[string]any{
		"published":    published,
		"subscribed":   subscribed.Event,
		"listed":       listed,
		"ended":        []string{*ended.Event, *again.Result},
		"renamed":      renamed.Name,
		"reset":        reset.ClientEvents,
		"event":        event.Data.Event,
		"time":         event.Timestamp,
		"missing":      must(session.GetSocketWithResponse(ctx, "1.1")).JSON404.Code,
		"unauthorized": must(with("unknown").ListSocketsWithResponse(ctx, nil)).JSON401.Code,
		"created":      must(admin.CreateAppWithResponse(ctx, client.AppDraft{Name: "created"})).JSON200.Ident,
		"health":       must(admin.GetDetailedHealthWithResponse(ctx)).JSON200.Checks.Database.Status,
	})
	if err != nil {
		panic(err)
	}
}
