//! What a supervisor such as systemd is told: sd_notify(3).

use std::os::unix::net::UnixDatagram;

use super::phone::Phone;
use super::server::{EVERYBODY, PATIENCE, Place, Server};

fn told(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 256];
    let length = socket.recv(&mut bytes).unwrap();
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

#[tokio::test]
async fn a_supervisor_is_told_when_webhooks_are_taken_and_when_the_server_stops() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let phone = Phone::start();
    let mut place = Place::new(EVERYBODY, &phone);
    place.set("NOTIFY_SOCKET", path.to_str().unwrap());
    let mut server = Server::start(place).await;
    assert_eq!(told(&socket), "READY=1\n");
    server.signal("TERM");
    assert_eq!(told(&socket), "STOPPING=1\n");
    assert_eq!(server.ended().await.code(), Some(0));
}
