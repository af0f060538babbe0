//! What the keys of the HTTP service do, and what is refused.

use rustix::process::Signal;

use crate::server::{Server, send, wait_until};
use crate::site::Web;

fn check(rest: &str) -> (Option<i32>, String) {
    let server = Server::with("");
    std::fs::create_dir_all(server.directory.join("www")).unwrap();
    server.write_conf(&format!("[Socket]\nListenPort = 1\nService = http\n{rest}\n"));
    let output = server.run(&["-t", "-c", "tg.conf"]);
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn what_cannot_be_served_is_refused_before_the_start() {
    for (rest, told) in [
        ("Root = nowhere", "Root = "),
        ("Root = tg.conf", "Root = "),
        ("Root = www\nListing = on\nIndex =", "Listing needs an Index"),
        ("Root = www\nListing = on\n[Memory]\nFileCache = 0", "Listing needs [Memory] FileCache"),
        ("Root = www\n[Process]\nOpenFiles = 100", "OpenFiles = "),
    ] {
        let (code, text) = check(rest);
        assert!(code == Some(78) && text.contains(told), "{rest}: {text}");
    }
    let (code, text) = check("Root = www\nListing = on");
    assert!(code == Some(0) && text.contains("files in memory, and 64 open to send"), "{text}");
    let (code, text) = check("Answer = /ping 200 text/plain pong");
    assert!(code == Some(0) && !text.contains("files in memory"), "{text}");
}

#[test]
fn fixed_answers_redirects_the_error_page_and_listings_do_what_their_keys_say() {
    let web = Web::with(
        "",
        "Answer = /ping 200 text/plain \"pong \"\nAnswer = /ping/deep 204\nRedirect = /old https://example.net/new\n\
         ErrorPage = lost.html\nListing = on\nBodySize = 100\nHeaderCount = 5",
        |root| {
            crate::site::write(root, "lost.html", "<p>lost</p>");
            crate::site::write(root, "folder/b & c", "");
            crate::site::write(root, "folder/a/x", "");
        },
    );
    let mut client = web.connect();
    let pong = client.get("/ping");
    assert_eq!((pong.status, pong.text(), pong.field("Content-Type")), (200, "pong ", Some("text/plain")));
    assert_eq!((client.get("/ping/other").text(), client.get("/ping/deep/er").status), ("pong ", 204));
    let old = client.get("/old/page");
    assert_eq!((old.status, old.field("Location")), (302, Some("https://example.net/new")));
    let lost = client.get("/nothing");
    assert_eq!(
        (lost.status, lost.text(), lost.field("Content-Type")),
        (404, "<p>lost</p>", Some("text/html; charset=utf-8"))
    );
    let folder = client.get("/folder");
    assert_eq!((folder.status, folder.field("Location")), (301, Some("/folder/")));
    let list = client.get("/folder/");
    assert_eq!(list.field("Content-Type"), Some("text/html; charset=utf-8"));
    assert!(
        list.text().contains("<a href=\"./a/\">a/</a>\n<a href=\"./b%20%26%20c\">b &amp; c</a>"),
        "{}",
        list.text()
    );
    assert_eq!(client.ask("POST", "/ping", "Content-Length: 3\r\n\r\nabc").status, 405);
    let mut client = web.connect();
    client.send("GET / HTTP/1.1\r\nHost: box\r\nContent-Length: 101\r\n\r\n");
    assert_eq!(client.answer(false).status, 413);
    assert_eq!(web.connect().ask("GET", "/", "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\n").status, 431);
    let log = web.stop();
    assert!(log.contains("(BodySize)") && log.contains("(HeaderCount)"), "{log}");
}

#[test]
fn a_reload_brings_other_answers_and_another_root_without_a_refused_request() {
    let web = Web::start("Answer = /version 200 text/plain one");
    web.write("../other/page.html", "other");
    let mut kept = web.connect();
    assert_eq!((kept.get("/version").text(), web.get("/page.html").0), ("one", 404));
    let conf = std::fs::read_to_string(web.rig.server.directory.join("tg.conf")).unwrap();
    let conf = conf.replace("Root = www", "Root = other").replace("plain one", "plain two");
    web.rig.server.write_conf(&conf);
    send(web.rig.server.pid(), Signal::HUP);
    wait_until("the new answer", || web.get("/version").1 == "two");
    assert_eq!(web.get("/page.html").1, "other");
    let mut rig = web.rig;
    rig.workers = crate::server::children(rig.server.pid());
    rig.stop(Signal::TERM);
}

#[test]
fn an_http_service_needs_no_files() {
    let mut rig = crate::rig::Rig::start(1, "", |server| {
        format!(
            "[Socket]\nListenPort = {}\nListenAddress = 127.0.0.1\nService = http\nAnswer = / 200 text/plain hi\n",
            server.port
        )
    });
    let mut client = crate::client::Client::new(rig.connect());
    assert_eq!((client.get("/any/path").text(), client.get("/").status), ("hi", 200));
    send(rig.server.pid(), Signal::QUIT);
    rig.ended();
}
