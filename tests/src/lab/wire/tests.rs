//! The capture, on adverts of the real keepalived.

use super::*;
use crate::lab::keepalived::Keepalived;
use crate::lab::wait;

const LIMIT: Duration = Duration::from_secs(20);

const CONFIG: &str = "\
global_defs {
    vrrp_version 3
}
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 0.1
    virtual_ipaddress {
        10.77.0.200/24
    }
}
";

#[test]
fn sees_a_keepalived_take_a_vip_and_resign() {
    let lab = Lab::new().unwrap();
    let host = lab.host("n1").unwrap();
    let _other = lab.host("n2").unwrap();
    let wire = Wire::start(&lab).unwrap();
    let keepalived = Keepalived::start(&host, CONFIG).unwrap();
    let announced = |from: &str, seen: &Seen| {
        from == "n1"
            && matches!(seen, Seen::Announcement { address, .. } if address.to_string() == "10.77.0.200")
    };
    wait::until("a GARP", LIMIT, || wire.first(Moment::default(), announced).is_some()).unwrap();
    assert!(host.holds("10.77.0.200".parse().unwrap()));
    let begun = Moment::now();
    let adverts =
        || wire.count(begun, |_, seen| matches!(seen, Seen::Advert(advert) if advert.priority == 150));
    wait::until("five adverts", LIMIT, || adverts() >= 5).unwrap();
    let lasted = Moment::now().since(begun);
    assert!(lasted >= Duration::from_millis(400), "each was counted once: five in {lasted:?}");
    keepalived.stop(LIMIT).unwrap();
    let resigned = |_: &str, seen: &Seen| matches!(seen, Seen::Advert(advert) if advert.priority == 0);
    wait::until("priority 0", LIMIT, || wire.first(begun, resigned).is_some()).unwrap();

    let frames = wire.frames();
    let complaints_of = |frames: &[Frame], name: &str| complaints(frames, &lab.dir().join(name)).unwrap();
    assert_eq!(complaints_of(&frames, "good.pcap"), Vec::<String>::new());
    let mut damaged = frames.clone();
    let advert = damaged.iter_mut().find(|frame| matches!(frame.seen(), Some(Seen::Advert(_)))).unwrap();
    advert.bytes[14 + 20 + 2] ^= 0xff;
    assert_eq!(complaints_of(&damaged, "bad.pcap").len(), 1, "a changed priority breaks the checksum");
}
