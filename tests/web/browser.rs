//! The status page in headless Chromium. `TIDEGATE_SHOTS` names a folder that keeps the screenshots, for people to look
//! at; `.ci/run browser` installs what is needed.

use crate::clients_of_others::{is_installed_or, run};
use crate::server::free_port;
use crate::site::Web;

/// Set where a missing browser is a failure.
const REQUIRED: &str = "TIDEGATE_REQUIRE_BROWSER";

#[test]
fn the_status_page_fits_phones_and_desktops_light_and_dark_and_its_numbers_move() {
    if !is_installed_or(REQUIRED, "chromium", &["--version"]) || !is_installed_or(REQUIRED, "python3", &["--version"]) {
        return;
    }
    let web =
        Web::start(&format!("Status = on\n[Socket plc]\nListenAddress = 127.0.0.1\nListenPort = {}", free_port()));
    let shots = std::env::var("TIDEGATE_SHOTS").unwrap_or_else(|_| web.rig.server.directory.display().to_string());
    std::fs::create_dir_all(&shots).unwrap();
    let url = format!("http://127.0.0.1:{}/status", web.rig.server.port);
    let said = String::from_utf8(run("python3", &["-c", include_str!("browser.py"), &url, &shots])).unwrap();
    assert!(said.ends_with("all is well\n"), "{said}");
    println!("{said}");
    web.stop();
}
