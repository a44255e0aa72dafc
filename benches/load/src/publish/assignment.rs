//! Which publisher publishes to which channel.

use super::channel_index;

/// The publisher and the channel of a publish. Both rotate; where there are enough channels, no two
/// publishers share one.
pub(super) fn next_publisher(
    published: usize,
    publishers: usize,
    channels: usize,
) -> (usize, usize) {
    if channels >= publishers {
        (published % channels % publishers, published % channels)
    } else {
        (published % publishers, published % publishers % channels)
    }
}

/// The channels that a publishing client subscribes to.
pub(super) fn channels_of_publisher(
    publisher: usize,
    publishers: usize,
    channels: usize,
) -> Vec<u32> {
    if channels >= publishers {
        (publisher..channels)
            .step_by(publishers)
            .map(channel_index)
            .collect()
    } else {
        vec![channel_index(publisher % channels)]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn publishers_are_subscribed_to_the_channels_they_publish_to() {
        for (publishers, channels) in [(1, 1), (3, 10), (10, 10), (16, 1), (7, 3)] {
            for published in 0..100 {
                let (publisher, channel) = next_publisher(published, publishers, channels);
                assert!(
                    channels_of_publisher(publisher, publishers, channels)
                        .contains(&channel_index(channel)),
                    "{publishers} on {channels}"
                );
            }
            let used: HashSet<_> = (0..100)
                .map(|n| next_publisher(n, publishers, channels).0)
                .collect();
            assert_eq!(used.len(), publishers);
        }
    }
}
