use super::*;

fn app(name: &str) -> AppIdent {
    AppIdent::trusted(name)
}

fn queue(app: usize, all: usize) -> FairQueue<(&'static str, usize)> {
    FairQueue::new(QueueBounds { app, all })
}

const TURN_BYTES: usize = TURN as usize;

/// Pops all entries; returns the apps of consecutive ones with their number.
fn served(queue: &mut FairQueue<(&'static str, usize)>) -> Vec<(&'static str, usize)> {
    let mut served: Vec<(&'static str, usize)> = Vec::new();
    while let Some((name, _)) = queue.pop() {
        match served.last_mut().filter(|(last, _)| *last == name) {
            Some((_, count)) => *count += 1,
            None => served.push((name, 1)),
        }
    }
    served
}

fn fill(
    queue: &mut FairQueue<(&'static str, usize)>,
    name: &'static str,
    count: usize,
    bytes: usize,
) {
    for number in 0..count {
        queue
            .push(&app(name), (name, number), EntrySize::of(bytes))
            .unwrap();
    }
}

#[test]
fn an_apps_entries_keep_their_order() {
    let mut queue = queue(usize::MAX, usize::MAX);
    fill(&mut queue, "a", 5, TURN_BYTES / 2);
    fill(&mut queue, "b", 5, 1);
    let mut last = HashMap::new();
    while let Some((name, number)) = queue.pop() {
        assert!(last.insert(name, number).is_none_or(|last| last < number));
    }
    assert_eq!((last["a"], last["b"], queue.bytes()), (4, 4, 0));
    assert!(queue.is_empty());
}

#[test]
fn apps_are_served_in_turns_by_bytes() {
    let mut queue = queue(usize::MAX, usize::MAX);
    fill(&mut queue, "large", 6, TURN_BYTES / 2);
    fill(&mut queue, "small", 12, TURN_BYTES / 4);
    let expected = [("large", 2), ("small", 4), ("large", 2), ("small", 4)];
    assert_eq!(served(&mut queue)[..4], expected);
}

#[test]
fn an_app_whose_queue_was_empty_is_served_first() {
    let mut queue = queue(usize::MAX, usize::MAX);
    for name in ["a", "b", "c"] {
        fill(&mut queue, name, 8, TURN_BYTES);
    }
    for _ in 0..4 {
        queue.pop();
    }
    fill(&mut queue, "new", 1, 1);
    assert_eq!(queue.pop().map(|(name, _)| name), Some("new"));
    // It had its turn: further entries wait for those of the others.
    let next = queue.pop().map(|(name, _)| name);
    fill(&mut queue, "new", 1, 1);
    assert!(next != Some("new") && queue.pop().map(|(name, _)| name) != Some("new"));
}

#[test]
fn an_entry_above_a_turn_is_paid_for_by_later_turns() {
    let mut queue = queue(usize::MAX, usize::MAX);
    fill(&mut queue, "large", 2, 4 * TURN_BYTES);
    fill(&mut queue, "small", 6, TURN_BYTES);
    assert_eq!(
        served(&mut queue),
        [("large", 1), ("small", 4), ("large", 1), ("small", 2)]
    );
}

#[test]
fn the_bound_of_an_app_leaves_space_for_others() {
    let mut queue = queue(100, 1000);
    fill(&mut queue, "a", 10, 10);
    assert_eq!(
        queue.push(&app("a"), ("a", 0), EntrySize::of(1)),
        Err(QueueFull)
    );
    fill(&mut queue, "b", 10, 10);
    queue.pop();
    fill(&mut queue, "a", 1, 10);
    assert_eq!(queue.bytes(), 200);
}

#[test]
fn apps_at_the_bound_of_all_leave_space_for_another_one() {
    let mut queue = queue(400, 1000);
    let names = ["a", "b", "c", "d", "e", "f"];
    for name in names {
        while queue.push(&app(name), (name, 0), EntrySize::of(10)).is_ok() {}
    }
    assert!(queue.bytes() < 1000, "{}", queue.bytes());
    assert_eq!(queue.push(&app("g"), ("g", 0), EntrySize::of(10)), Ok(()));
}

#[test]
fn an_entry_can_be_done_in_parts() {
    let mut queue = queue(100, 1000);
    fill(&mut queue, "a", 1, 100);
    queue.shrink(EntrySize::of(40));
    assert_eq!((queue.bytes(), queue.has_space(&app("a"), 61)), (40, false));
    assert_eq!(queue.peek().map(|(_, size)| size.bytes), Some(40));
    assert!(queue.pop_of(&app("a")).is_some() && queue.bytes() == 0);
}

#[test]
fn an_entry_that_was_taken_returns_to_the_front() {
    let mut queue = queue(20, 100);
    fill(&mut queue, "a", 2, 10);
    let first = queue.pop().unwrap();
    queue.push_front(&app("a"), first, EntrySize::of(10));
    assert_eq!([queue.pop(), queue.pop()], [Some(("a", 0)), Some(("a", 1))]);
}

#[test]
fn zero_is_no_bound() {
    let bounds = QueueBounds::new(0, 0);
    let mut queue = FairQueue::new(bounds);
    assert_eq!(
        queue.push(&app("a"), (), EntrySize::of(usize::MAX / 4)),
        Ok(())
    );
}

#[test]
fn apps_that_are_excepted_lose_no_turn() {
    let mut queue = queue(1000, 1000);
    for name in ["a", "b", "a", "c"] {
        fill(&mut queue, name, 1, 1);
    }
    let next = |queue: &mut FairQueue<_>, busy: &[AppIdent]| {
        let app = queue.next_app_except(busy)?;
        Some(app.as_str().to_owned())
    };
    let busy = [app("a"), app("b")];
    assert_eq!(next(&mut queue, &[]).as_deref(), Some("a"));
    assert_eq!(next(&mut queue, &busy).as_deref(), Some("c"));
    assert!(queue.pop_of(&app("c")).is_some());
    assert_eq!(next(&mut queue, &busy), None);
    assert_eq!(next(&mut queue, &busy[..1]).as_deref(), Some("b"));
    assert_eq!(served(&mut queue).len(), 2);
}
