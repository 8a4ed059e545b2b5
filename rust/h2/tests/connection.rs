//! The connections without Python: two of them, or one and frames made by hand.

use bytes::Bytes;
use http::HeaderMap;
use netkit_h2::connection::{Connection, Refusal};
use netkit_h2::event::{Cause, Event};
use netkit_h2::frame::{add_setting, fault, settings, write_ping, Head, PREFACE};
use netkit_h2::limits::{Excess, Limits};
use netkit_h2::message::{append, Target};
use netkit_h2::meter::Reader;

const ASK: Target<'static> =
    Target { method: b"GET", target: b"/", authority: b"a.example", scheme: b"https", protocol: None };

fn take(connection: &mut Connection) -> Bytes {
    connection.take(Bytes::copy_from_slice)
}

/// Lets both ends talk until neither has anything to say: the events of the client, and of the server.
fn exchange(client: &mut Connection, server: &mut Connection) -> (Vec<Event>, Vec<Event>) {
    let (mut of_client, mut of_server) = (Vec::new(), Vec::new());
    loop {
        let (up, down) = (take(client), take(server));
        if up.is_empty() && down.is_empty() {
            return (of_client, of_server);
        }
        of_server.extend(server.feed(&up));
        of_client.extend(client.feed(&down));
    }
}

fn pair() -> (Connection, Connection) {
    let mut client = Connection::client(Limits::default());
    let mut server = Connection::server(Limits::default(), true);
    assert!(exchange(&mut client, &mut server).0.is_empty());
    (client, server)
}

#[test]
fn a_request_is_answered() {
    let (mut client, mut server) = pair();
    let stream = client.request(&ASK, HeaderMap::new(), true, None).expect("a request");
    let (_, asked) = exchange(&mut client, &mut server);
    assert!(
        matches!(&asked[..], [Event::RequestReceived { stream: 1, end: true, head, .. }] if head.target == b"/")
    );

    let mut fields = HeaderMap::new();
    append(&mut fields, b"x-field", b"value").expect("a field");
    server.respond(stream, 200, fields, false, Some(5)).expect("a response");
    server.send(stream, Bytes::from_static(b"hello"), true).expect("a body");
    let (answered, _) = exchange(&mut client, &mut server);
    let [Event::ResponseHead { status: 200, length: Some(5), .. }, Event::Data { data, .. }, Event::End { .. }] =
        &answered[..]
    else {
        panic!("{answered:?}");
    };
    assert_eq!(&data[..], b"hello");
    assert_eq!((client.in_flight(), server.in_flight()), (0, 0));
}

#[test]
fn only_the_streams_that_woke_are_looked_at() {
    let (mut client, mut server) = pair();
    for _ in 0..50 {
        client.request(&ASK, HeaderMap::new(), true, None).expect("a request");
    }
    assert_eq!(exchange(&mut client, &mut server).1.len(), 50);
    server.respond(41, 204, HeaderMap::new(), true, None).expect("a response");
    let (answered, _) = exchange(&mut client, &mut server);
    assert!(matches!(&answered[..], [Event::ResponseHead { stream: 41, end: true, .. }]));
    assert_eq!(client.in_flight(), 49);
}

#[test]
fn more_than_the_room_is_refused() {
    let (mut client, _) = pair();
    let stream = client.request(&ASK, HeaderMap::new(), false, None).expect("a request");
    let room = client.room(stream);
    assert_eq!(room, 1 << 20);
    let refused = client.send(stream, Bytes::from(vec![0; room + 1]), true);
    assert!(matches!(refused, Err(Refusal::Stream(_))));
    assert!(matches!(client.send(stream + 2, Bytes::new(), true), Err(Refusal::Stream(_))));
}

#[test]
fn a_flood_is_stopped_with_its_limit() {
    let limits = Limits { max_pings: 3, ..Limits::default() };
    let mut server = Connection::server(limits, true);
    let mut octets = PREFACE.to_vec();
    octets.extend_from_slice(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
    for _ in 0..4 {
        write_ping(&mut octets, *b"01234567");
    }
    let events = server.feed(&Bytes::from(octets));
    let excess = Some(Excess { name: "max_pings", limit: 3 });
    assert!(matches!(&events[..], [Event::Broken { code: 11, excess: found, .. }] if *found == excess));
    assert!(server.is_closed());
    assert!(take(&mut server).ends_with(b"max_pings"));
}

#[test]
fn the_end_of_the_connection_is_that_of_its_streams() {
    let (mut client, _) = pair();
    client.request(&ASK, HeaderMap::new(), true, None).expect("a request");
    let events = client.feed_eof();
    assert!(matches!(&events[..], [Event::Reset { stream: 1, cause: Cause::Unanswered, code: None, .. }]));
    assert!(client.is_closed());
    assert_eq!(client.request(&ASK, HeaderMap::new(), true, None), Err(Refusal::Connection));
}

#[test]
fn frames_are_found_in_pieces() {
    let mut octets = PREFACE.to_vec();
    write_ping(&mut octets, *b"01234567");
    octets.extend_from_slice(&[0, 0, 3, 0, 1, 0, 0, 0, 7, b'a', b'b', b'c']);
    for size in 1..octets.len() {
        let mut reader = Reader::new(true);
        let mut found = Vec::new();
        for piece in octets.chunks(size) {
            let mut at = 0;
            while at < piece.len() {
                let (count, ended) = reader.read(&piece[at..]);
                at += count;
                if let Some(head) = ended {
                    found.push((head.kind, head.stream, reader.payload().to_vec()));
                }
            }
        }
        assert_eq!(found, [(6, 0, b"01234567".to_vec()), (0, 7, Vec::new())]);
    }
}

#[test]
fn settings_are_read_and_added_to() {
    let mut octets = vec![0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0];
    add_setting(&mut octets, 0, 6, 77);
    assert_eq!(settings(&octets[9..]).collect::<Vec<_>>(), [(4, 65536), (6, 77)]);
    let head = Head::parse(octets.first_chunk().expect("a header"));
    assert_eq!((head.length, fault(&head, &octets[9..])), (12, None));
    assert_eq!(fault(&head, &[0, 4, 0x80, 0, 0, 0]), Some(3));
    assert_eq!(fault(&Head { length: 11, ..head }, &[]), Some(6));
}
