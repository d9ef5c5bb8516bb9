//! SRV records, which the C library's resolver does not give: one question over UDP, over TCP if the answer is cut.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};

use super::{LookupError, Server};

const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Name servers that are asked, as many as the C library's resolver asks.
const NAME_SERVERS: usize = 3;

/// The servers that a name's SRV records give.
pub(super) fn servers(name: &str, deadline: Instant) -> Result<Vec<Server>, LookupError> {
    let config = std::fs::read_to_string(RESOLV_CONF).unwrap_or_default();
    let mut last = LookupError::Failed(format!("{RESOLV_CONF} has no `nameserver`"));
    let name_servers: Vec<IpAddr> = name_servers(&config).collect();
    let shares = u32::try_from(name_servers.len()).unwrap_or(1).max(1);
    let share = deadline.saturating_duration_since(Instant::now()) / shares;
    for address in name_servers {
        match ask(SocketAddr::new(address, 53), name, share) {
            Ok(servers) => return Ok(servers),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn name_servers(config: &str) -> impl Iterator<Item = IpAddr> {
    let servers = config.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse().ok())?
    });
    servers.take(NAME_SERVERS)
}

/// Asks one name server.
pub(super) fn ask(server: SocketAddr, name: &str, time: Duration) -> Result<Vec<Server>, LookupError> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => LookupError::Late,
        _ => LookupError::Failed(format!("name server {server}: {error}")),
    };
    let malformed = |error: simple_dns::SimpleDnsError| LookupError::Failed(format!("{name}: {error}"));
    let time = time.max(Duration::from_millis(1));
    let local: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0; 16], 0).into() };
    let socket = UdpSocket::bind(local).map_err(failed)?;
    socket.connect(server).map_err(failed)?;
    socket.set_read_timeout(Some(time)).map_err(failed)?;
    // The port is random and the socket hears this server alone; the number need not be secret as well.
    let id = socket.local_addr().map_err(failed)?.port();
    let question = question(id, name).map_err(malformed)?;
    socket.send(&question).map_err(failed)?;
    let mut buffer = vec![0; 4096];
    let length = socket.recv(&mut buffer).map_err(failed)?;
    buffer.truncate(length);
    let cut = Packet::parse(&buffer).map_err(malformed)?.has_flags(PacketFlag::TRUNCATION);
    if cut {
        buffer = over_tcp(server, &question, time).map_err(failed)?;
    }
    let answer = Packet::parse(&buffer).map_err(malformed)?;
    if answer.id() != id {
        return Err(LookupError::Failed(format!("name server {server} answers another question")));
    }
    match answer.rcode() {
        RCODE::NoError | RCODE::NameError => {}
        code => return Err(LookupError::Failed(format!("name server {server} answers {code:?}"))),
    }
    Ok(answer.answers.iter().filter_map(|record| record_of(&record.rdata)).collect())
}

fn question(id: u16, name: &str) -> Result<Vec<u8>, simple_dns::SimpleDnsError> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name.trim_end_matches('.'))?;
    packet.questions.push(Question::new(name, QTYPE::TYPE(TYPE::SRV), QCLASS::CLASS(CLASS::IN), false));
    packet.build_bytes_vec()
}

fn over_tcp(server: SocketAddr, question: &[u8], time: Duration) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&server, time)?;
    stream.set_read_timeout(Some(time))?;
    stream.set_write_timeout(Some(time))?;
    let length = u16::try_from(question.len()).unwrap_or(u16::MAX);
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(question)?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

fn record_of(data: &RData<'_>) -> Option<Server> {
    let RData::SRV(record) = data else {
        return None;
    };
    Some(Server {
        target: format!("{}.", record.target).into(),
        port: record.port,
        priority: record.priority,
        weight: record.weight,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_three_name_servers_are_asked() {
        let config = "# c\nsearch a.b\nnameserver 192.0.2.1\nnameserver x\nnameserver 2001:db8::1\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n";
        let found: Vec<String> = name_servers(config).map(|address| address.to_string()).collect();
        assert_eq!(found, ["192.0.2.1", "2001:db8::1", "192.0.2.3"]);
    }

    /// A name server for one question, which it gives to `answer`.
    fn name_server(answer: impl FnOnce(Packet<'_>) -> Vec<u8> + Send + 'static) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            let reply = answer(Packet::parse(&buffer[..length]).unwrap());
            socket.send_to(&reply, from).unwrap();
        });
        address
    }

    #[test]
    fn servers_come_out_of_an_answer() {
        let server = name_server(|question| {
            let mut reply = question.into_reply();
            let record = simple_dns::rdata::SRV {
                priority: 1,
                weight: 2,
                port: 80,
                target: Name::new_unchecked("a.example"),
            };
            let name = Name::new_unchecked("_http._tcp.example");
            reply.answers.push(simple_dns::ResourceRecord::new(name, CLASS::IN, 60, RData::SRV(record)));
            reply.build_bytes_vec().unwrap()
        });
        let found = ask(server, "_http._tcp.example", Duration::from_secs(10)).unwrap();
        assert_eq!(found, [Server { target: "a.example.".into(), port: 80, priority: 1, weight: 2 }]);
    }

    #[test]
    fn a_failure_is_no_empty_answer() {
        let server = name_server(|question| {
            let mut reply = question.into_reply();
            *reply.rcode_mut() = RCODE::ServerFailure;
            reply.build_bytes_vec().unwrap()
        });
        assert!(matches!(ask(server, "a.example", Duration::from_secs(10)), Err(LookupError::Failed(_))));
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let silence = ask(silent.local_addr().unwrap(), "a.example", Duration::from_millis(20));
        assert_eq!(silence, Err(LookupError::Late));
    }
}
