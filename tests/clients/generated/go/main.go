// Uses the client of openapi-generator's `go`; prints what it read.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"

	client "pushi.tests/client"
)

func must[T any](value T, _ any, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// The code in the typed error of an operation.
func code[T any](_ T, _ any, err error) int32 {
	var failed *client.GenericOpenAPIError
	if !errors.As(err, &failed) {
		panic(err)
	}
	answer := failed.Model().(client.ErrorAnswer)
	return answer.GetCode()
}

func with(token string) context.Context {
	return context.WithValue(context.Background(), client.ContextAccessToken, token)
}

func publication(event string, data any, channels ...string) client.Publication {
	publication := client.NewPublication(data)
	publication.SetChannel(channels)
	publication.SetEvent(event)
	return *publication
}

func main() {
	configuration := client.NewConfiguration()
	configuration.Servers = client.ServerConfigurations{{URL: os.Getenv("PUSHI_URL")}}
	api := client.NewAPIClient(configuration)
	ident := os.Getenv("PUSHI_APP_ID")
	credentials := client.NewCredentials(ident, os.Getenv("PUSHI_APP_KEY"), os.Getenv("PUSHI_APP_SECRET"))
	login := must(api.SessionsAPI.Login(context.Background()).Credentials(*credentials).Execute())
	session, admin := with(login.GetToken()), with(os.Getenv("PUSHI_ADMIN"))

	more := publication("more", "more", "steps")
	more.AdditionalProperties = map[string]any{"extra": map[string]any{"a": []any{1, nil}}}
	publications := []client.Publication{
		publication("text", "a text", "steps"),
		publication("object", map[string]any{"n": 1}, "steps"),
		publication("two", "two", "first", "second"),
		more,
		*client.NewPublication("alone"),
	}
	var published []string
	for _, one := range publications {
		published = append(published, must(api.EventsAPI.PublishEvent(session).Publication(one).Execute()).GetResult())
	}

	subscriptions := api.SubscriptionsAPI
	wish := client.NewSubscriptionWish("ann", "news")
	subscribed := must(subscriptions.CreateSubscription(session).SubscriptionWish(*wish).Execute())
	listed := []string{}
	for _, one := range must(subscriptions.ListSubscriptions(session).UserId("ann").Execute()).GetSubscriptions() {
		listed = append(listed, one.GetEvent())
	}
	ended := must(subscriptions.DeleteSubscription(session, "ann", "news").Execute())
	again := must(subscriptions.DeleteSubscription(session, "ann", "news").Execute())
	rename, reset := client.NewAppChange(), client.NewAppChange()
	rename.SetName("renamed")
	reset.SetReset([]string{"client_events"})
	renamed := must(api.AppsAPI.UpdateApp(session, ident).AppChange(*rename).Execute())
	changed := must(api.AppsAPI.UpdateApp(session, ident).AppChange(*reset).Execute())
	event := must(api.EventsAPI.ListEvents(session).Count(1).Channel("steps").Execute()).GetEvents()[0]
	created := must(api.AppsAPI.CreateApp(admin).AppDraft(*client.NewAppDraft("created")).Execute())
	health := must(api.HealthAPI.GetDetailedHealth(admin).Execute())

	err := json.NewEncoder(os.Stdout).Encode(map[string]any{
		"published":    published,
		"subscribed":   subscribed.GetEvent(),
		"listed":       listed,
		"ended":        []string{ended.GetEvent(), again.GetResult()},
		"renamed":      renamed.GetName(),
		"reset":        changed.GetClientEvents(),
		"event":        event.Data.GetEvent(),
		"time":         event.GetTimestamp(),
		"missing":      code(api.SocketsAPI.GetSocket(session, "1.1").Execute()),
		"unauthorized": code(api.SocketsAPI.ListSockets(with("unknown")).Execute()),
		"created":      created.GetIdent(),
		"health":       health.Checks.Database.GetStatus(),
	})
	if err != nil {
		panic(err)
	}
}
