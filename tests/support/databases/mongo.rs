use mongodb::Client;

use super::{block_on_new_thread, server_url, unique_name};

/// A database on a server that `variable` names.
pub struct MongoDatabase {
    /// The server.
    pub url: String,
    /// The database.
    pub name: String,
}

impl MongoDatabase {
    /// A new, empty one; `None` where no server was named.
    pub async fn start(variable: &'static str) -> Option<Self> {
        let (url, name) = (server_url(variable)?, unique_name());
        remove(&url, &name).await;
        Some(Self { url, name })
    }
}

impl Drop for MongoDatabase {
    fn drop(&mut self) {
        block_on_new_thread(remove(&self.url, &self.name));
    }
}

async fn remove(url: &str, name: &str) {
    let client = Client::with_uri_str(url).await.unwrap();
    client.database(name).drop().await.unwrap();
    client.shutdown().immediate(true).await;
}
