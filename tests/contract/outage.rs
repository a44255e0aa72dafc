//! Database servers that hang, stop and restart. The store instance stays open.

use std::time::{Duration, Instant};

use pushi::core::error::StorageError;
use pushi::core::model::{App, Mid, NewEvent, SubscriptionFilter, TokenHash};
use pushi::core::ports::{Pruning, ReadLimit, Stores};

use crate::fixture::{Proxy, Remote, TIMEOUT};
use crate::samples::{NOW, app, app_to_create, channel, event, mid, said, say, serials, user};

/// Short, so that the tests are; what is measured against it is measured generously.
const SHORT: Duration = Duration::from_secs(1);

/// Each call of each port; every one must be `Unavailable`.
async fn nothing_answers(stores: &Stores, app: &App) {
    let (ident, room, ann, hash) = (&app.ident, channel("room"), user("ann"), TokenHash([1; 32]));
    let begun = Instant::now();
    let away = |answer: Result<(), StorageError>| {
        assert!(
            matches!(answer, Err(StorageError::Unavailable(_))),
            "{answer:?}"
        )
    };
    let session = pushi::core::model::Session {
        hash,
        app: ident.clone(),
        credential: pushi::core::model::CredentialDigest([5; 32]),
        expires: NOW,
    };
    let one = [event(app, "room", "")];
    let answers = tokio::join!(
        async { stores.apps.create(app_to_create("new")).await.map(drop) },
        async { stores.apps.update(app, NOW).await },
        async { stores.apps.delete(ident).await },
        async { stores.apps.by_ident(ident).await.map(drop) },
        async { stores.apps.by_key(&app.key).await.map(drop) },
        async { stores.apps.list(0, 1).await.map(drop) },
        async { stores.apps.revision().await.map(drop) },
        async { stores.database.ping().await },
    );
    <[_; 8]>::from(answers).into_iter().for_each(away);
    let answers = tokio::join!(
        async {
            stores
                .events
                .append(&one)
                .await
                .into_iter()
                .collect::<Result<Vec<_>, _>>()
                .map(drop)
        },
        async { stores.events.positions(ident, &[mid()]).await.map(drop) },
        async {
            stores
                .events
                .heads(ident, std::slice::from_ref(&room))
                .await
                .map(drop)
        },
        async {
            stores
                .events
                .history(ident, &room, None, ReadLimit::events(1))
                .await
                .map(drop)
        },
        async {
            stores
                .events
                .replay(ident, &room, 0, 1, ReadLimit::events(1))
                .await
                .map(drop)
        },
        async {
            stores
                .events
                .recent(ident, None, ReadLimit::events(1))
                .await
                .map(drop)
        },
        async {
            stores
                .events
                .inbox(ident, &ann, 0, ReadLimit::events(1))
                .await
                .map(drop)
        },
        async {
            stores
                .events
                .prune(
                    Pruning {
                        before: Some(NOW),
                        keep: None,
                    },
                    1,
                )
                .await
                .map(drop)
        },
    );
    <[_; 8]>::from(answers).into_iter().for_each(away);
    let answers = tokio::join!(
        async {
            stores
                .subscriptions
                .add(ident, &ann, &room, NOW)
                .await
                .map(drop)
        },
        async {
            stores
                .subscriptions
                .remove(ident, &ann, &room, NOW)
                .await
                .map(drop)
        },
        async {
            stores
                .subscriptions
                .list(ident, &SubscriptionFilter::default(), 0, 1)
                .await
                .map(drop)
        },
        async {
            stores
                .subscriptions
                .channels_of(ident, &ann, 1000)
                .await
                .map(drop)
        },
        async { stores.sessions.put(&session).await },
        async { stores.sessions.get(&hash).await.map(drop) },
        async { stores.sessions.end(&hash).await },
        async { stores.sessions.end_all(&session.app).await },
        async { stores.sessions.prune(NOW).await.map(drop) },
    );
    <[_; 9]>::from(answers).into_iter().for_each(away);
    // Three rounds, each within the time-out.
    assert!(
        begun.elapsed() < 3 * SHORT + Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

/// Waits until the store answers again; it must by itself.
async fn recovered(stores: &Stores) {
    let begun = Instant::now();
    while stores.database.ping().await.is_err() {
        assert!(begun.elapsed() < TIMEOUT, "it does not recover");
    }
}

pub(crate) async fn a_hanging_server_times_out_until_it_recovers(fixture: &impl Remote) {
    let proxy = Proxy::to(fixture.server().await).await;
    let stores = fixture.open_through(proxy.port(), SHORT).await;
    let direct = fixture.open().await;
    let app = app(&direct, "a").await;
    say(&direct, &app, "room", &["before"]).await;
    proxy.get_stuck();
    nothing_answers(&stores, &app).await;
    proxy.flow();
    recovered(&stores).await;
    // An append in flight may have succeeded after the recovery; nothing is stored twice or missing.
    let room = channel("room");
    if stores.apps.by_ident(&app.ident).await.unwrap().is_some() {
        let next = say(&stores, &app, "room", &["after"]).await[0].serial;
        let stored = stores
            .events
            .replay(&app.ident, &room, 0, next, ReadLimit::events(10))
            .await
            .unwrap();
        assert!(stored.is_sorted_by(|one, next| one.position.serial < next.position.serial));
    }
}

pub(crate) async fn a_stopped_server_is_unavailable_until_it_restarts(fixture: &impl Remote) {
    let mut proxy = Proxy::to(fixture.server().await).await;
    let stores = fixture.open_through(proxy.port(), SHORT).await;
    let direct = fixture.open().await;
    let app = app(&direct, "a").await;
    say(&direct, &app, "room", &["before"]).await;
    proxy.cut().await;
    nothing_answers(&stores, &app).await;
    proxy.mend().await;
    recovered(&stores).await;
    assert_eq!(
        stores.apps.by_ident(&app.ident).await.unwrap(),
        Some(app.clone())
    );
    assert_eq!(say(&stores, &app, "room", &["after"]).await[0].serial, 2);
    assert_eq!(
        said(
            &stores
                .events
                .recent(&app.ident, None, ReadLimit::events(10))
                .await
                .unwrap()
        ),
        ["after", "before"]
    );
}

/// What else a driver says to the server, such as a heartbeat, takes the place of a moment: then all are tried again.
const ROUNDS: u32 = 5;

/// Lets the way break at every moment of an append, each time after one more thing was said to the server, and asks
/// what became of it.
async fn judge_each_moment(fixture: &impl Remote, break_after: impl Fn(&Proxy, u32)) {
    let proxy = Proxy::to(fixture.server().await).await;
    let stores = fixture.open_through(proxy.port(), SHORT).await;
    let direct = fixture.open().await;
    let app = app(&direct, "a").await;
    let (mut judged, mut stored_unanswered) = (Vec::new(), 0);
    let (mut things, mut rounds) = (0, 0);
    loop {
        things += 1;
        recovered(&stores).await;
        let batch: Vec<NewEvent> = (0..40)
            .map(|n| event(&app, &format!("room-{}", n % 4), ""))
            .collect();
        let mids: Vec<Mid> = batch.iter().map(|event| event.mid.clone()).collect();
        break_after(&proxy, things);
        let answers = stores.events.append(&batch).await;
        let broke = proxy.went_off();
        proxy.flow();
        let positions = loop {
            match stores.events.positions(&app.ident, &mids).await {
                Ok(positions) => break positions,
                Err(StorageError::Unavailable(_)) => {}
                Err(other) => panic!("{other:?}"),
            }
        };
        for (answer, position) in answers.iter().zip(&positions) {
            assert!(
                answer
                    .as_ref()
                    .map_or(true, |answered| Some(*answered) == *position),
                "{answer:?} but {position:?}"
            );
            stored_unanswered += u32::from(answer.is_err() && position.is_some());
        }
        judged.push((mids, positions));
        // On a busy machine an append may time out before that many things were said.
        if !broke && answers.iter().all(Result::is_ok) {
            (things, rounds) = (0, rounds + 1);
            if stored_unanswered > 0 || rounds == ROUNDS {
                break;
            }
        }
    }
    assert!(
        stored_unanswered > 0,
        "no moment was between storing and answering"
    );
    for (mids, positions) in judged {
        assert_eq!(
            direct.events.positions(&app.ident, &mids).await.unwrap(),
            positions
        );
    }
    for n in 0..4 {
        let room = channel(&format!("room-{n}"));
        let head = say(&direct, &app, room.as_str(), &["last"]).await[0].serial;
        let stored = direct
            .events
            .replay(&app.ident, &room, 0, head, ReadLimit::events(10_000))
            .await
            .unwrap();
        assert_eq!(serials(&stored), (1..=head).collect::<Vec<_>>());
    }
}

pub(crate) async fn an_interrupted_append_is_settled(fixture: &impl Remote) {
    judge_each_moment(fixture, Proxy::cut_after).await;
}

pub(crate) async fn a_hanging_append_is_settled(fixture: &impl Remote) {
    judge_each_moment(fixture, Proxy::get_stuck_after).await;
}
