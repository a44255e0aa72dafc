//! GET /settings

use poem::http::Method;

use super::read;
use crate::rest::start;

#[tokio::test]
async fn every_setting_is_described_with_its_default() {
    let api = start().await;
    let described = read(&api, "/settings").await;
    let app = api.admin(Method::GET, "/apps/shop").send().await.json();
    let settings = described["settings"].as_array().unwrap();
    assert!(settings.len() > 20);
    for setting in settings {
        let name = setting["name"].as_str().unwrap();
        assert!(
            app.get(name).is_some() || name == "previous_secret",
            "{name}"
        );
        assert!(!setting["description"].as_str().unwrap().is_empty());
        // The app was made with its defaults.
        if setting["has_default"] == true && name != "previous_secret" {
            assert_eq!(setting["default"], app[name], "{name}");
        }
    }
    let named = |name: &str| settings.iter().find(|one| one["name"] == name).unwrap();
    assert_eq!(named("client_publish")["value_type"], "boolean");
    assert_eq!(named("max_connections")["administrator"], true);
    api.ask(Method::GET, "/settings").send().await.problem(401);
    let own = api.session(Method::GET, "/settings").send().await;
    assert_eq!(own.status, 200);
}
