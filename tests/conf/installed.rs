//! The files a person installs are what the program would write and mean what they say.

use tidegate_core::conf::{self, Address, Document};

use super::{Text, expect, mistakes, root};

#[test]
fn the_full_configuration_is_the_reference() {
    let mut out = Text::default();
    let _ = conf::reference(&mut out);
    expect(&root().join("conf/tidegate-full.conf"), &out.0);
}

#[test]
fn every_installed_file_is_without_a_mistake() {
    for name in ["seed.conf", "tidegate.conf", "tidegate-full.conf"] {
        assert_eq!(mistakes(name, &std::fs::read(root().join("conf").join(name)).unwrap()), "");
    }
}

#[test]
fn the_seeds_three_lines_are_an_echo_service() {
    let text = std::fs::read(root().join("conf/seed.conf")).unwrap();
    assert_eq!(text, b"[Socket]\nListenPort = 5678\n\nDBInfo = 127.0.0.1\n");
    let document = Document::parse(&text, &mut |_| ()).unwrap();
    let socket = document.section("Socket");
    assert_eq!((socket.number("ListenPort"), socket.text("Service")), (5678, "echo"));
    assert_eq!(document.get_int_default("ListenPort", 10000), 5678);
    assert_eq!(document.get_string("DBInfo"), Some("127.0.0.1"));
}

#[test]
fn the_default_configuration_serves_on_loopback_in_the_foreground() {
    let text = std::fs::read(root().join("conf/tidegate.conf")).unwrap();
    let document = Document::parse(&text, &mut |_| ()).unwrap();
    let mut services = Vec::new();
    for socket in document.sections("Socket") {
        assert_eq!(socket.address("ListenAddress"), Address::read("127.0.0.1").unwrap());
        services.push((socket.number("ListenPort"), socket.text("Service"), socket.switch("Status")));
    }
    assert_eq!(services, [(5678, "echo", false), (5680, "http", true)]);
    assert!(!document.section("Process").switch("Daemon"));
    assert_eq!(document.section("Process").number_or_auto("Workers"), Some(1));
}
