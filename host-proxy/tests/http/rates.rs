//! D18: the address that is limited is one the client cannot choose.

use crate::support::{Answer, Site, post, quota};

async fn ask(site: &Site, from: &str, class: &str, forwarded: &str) -> Answer {
    let mut wire = site.connect_from(from).await;
    let header = match forwarded {
        "" => String::new(),
        forwarded => format!("X-Forwarded-For: {forwarded}\r\n"),
    };
    wire.send(post(class, b"x", &header)).await;
    wire.answer().await.unwrap()
}

#[tokio::test]
async fn d18_a_forged_address_buys_nothing() {
    let site = Site::with(|config| config.limits.sign_up = quota("2/h")).await;
    let mut statuses = Vec::new();
    for forged in [
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.3",
        "127.0.0.9, 192.0.2.4",
    ] {
        statuses.push(ask(&site, "127.0.0.1", "sign-up", forged).await.status);
    }
    assert_eq!(statuses, [200, 200, 429, 429]);
    for header in [
        "Forwarded: for=192.0.2.9\r\n",
        "X-Real-IP: 192.0.2.9\r\n",
        "True-Client-IP: 192.0.2.9\r\n",
        "CF-Connecting-IP: 192.0.2.9\r\n",
    ] {
        assert_eq!(
            site.ask(post("sign-up", b"x", header)).await.status,
            429,
            "{header}"
        );
    }
    // another address has its own
    assert_eq!(ask(&site, "127.0.0.2", "sign-up", "").await.status, 200);
    assert_eq!(site.enclave.bodies().len(), 3);
}

/// A sign-up is two requests. All clients together have 600 in a minute at an enclave.
#[tokio::test]
async fn e17_one_client_begins_and_ends_five_sign_ups_at_once() {
    let site = Site::with(|config| {
        // The site of these tests has no limits; this is the shipped one.
        config.limits.sign_up = quota("60/h:10");
        config.trusted_proxy = Some("127.0.0.2/32".parse().unwrap());
    })
    .await;
    let admitted = async |clients: &[&str]| {
        let mut admitted = 0;
        for client in clients {
            for _ in 0..12 {
                let answer = ask(&site, "127.0.0.2", "sign-up", client).await;
                admitted += u32::from(answer.status == 200);
            }
        }
        admitted
    };
    assert_eq!(admitted(&["192.0.2.1"]).await, 10);
    assert_eq!(admitted(&["192.0.2.2"]).await, 10);
    let households = [
        "2001:db8:1::1",
        "2001:db8:1:100::1",
        "2001:db8:1:200::1",
        "2001:db8:1:300::1",
        "2001:db8:1:400::1",
    ];
    assert_eq!(admitted(&households).await, 40);
}

#[tokio::test]
async fn d18_only_the_trusted_hop_names_the_client() {
    let site = Site::with(|config| {
        config.limits.request = quota("2/h");
        config.trusted_proxy = Some("127.0.0.2/32".parse().unwrap());
    })
    .await;
    let proxy = "127.0.0.2";
    let mut statuses = Vec::new();
    // the first entries are the client's invention, the last is what the proxy saw
    for forged in [
        "192.0.2.1",
        "198.51.100.1, 192.0.2.1",
        "127.0.0.1, 192.0.2.1",
    ] {
        statuses.push(ask(&site, proxy, "request", forged).await.status);
    }
    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!(
        ask(&site, proxy, "request", "192.0.2.1, 192.0.2.2")
            .await
            .status,
        200
    );
    // whoever reaches the server past the proxy is no proxy
    let mut statuses = Vec::new();
    for forged in ["192.0.2.7", "192.0.2.8", "192.0.2.9"] {
        statuses.push(ask(&site, "127.0.0.1", "request", forged).await.status);
    }
    assert_eq!(statuses, [200, 200, 429]);
}

/// Behind a proxy that keeps what its clients wrote, whatever bytes that is.
#[tokio::test]
async fn d18_a_client_that_writes_no_text_is_still_the_one_that_the_proxy_saw() {
    let site = Site::with(|config| {
        config.limits.request = quota("2/h");
        config.trusted_proxy = Some("127.0.0.2/32".parse().unwrap());
    })
    .await;
    let ask = async |forwarded: &[u8]| {
        let mut request = post("request", b"x", "X-Forwarded-For: @\r\n");
        let at = request.iter().position(|byte| *byte == b'@').unwrap();
        request.splice(at..=at, forwarded.iter().copied());
        let mut wire = site.connect_from("127.0.0.2").await;
        wire.send(request).await;
        wire.answer().await.unwrap()
    };
    let mut statuses = Vec::new();
    for forwarded in [
        b"203.0.113.7".as_slice(),
        b"\xff, 203.0.113.7",
        b"\xfe, 203.0.113.7",
        b"\xff, 203.0.113.8",
    ] {
        statuses.push(ask(forwarded).await.status);
    }
    assert_eq!(statuses, [200, 200, 429, 200]);
    // whom the proxy names unreadably is not counted as the proxy
    for forwarded in [b"\xff".as_slice(), b"203.0.113.7:80", b"203.0.113.7,"] {
        let refused = ask(forwarded).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (400, "unnamed_client")
        );
        assert_eq!(refused.header("connection"), Some("close"));
    }
    assert_eq!(site.enclave.bodies().len(), 3);
}

#[tokio::test]
async fn classes_have_quotas_of_their_own_and_say_when_to_come_back() {
    let site = Site::with(|config| {
        config.limits.sign_up = quota("1/h");
        config.limits.evidence = quota("1/m");
        config.limits.request = quota("3/s");
    })
    .await;
    for (class, longest) in [("sign-up", 3600), ("evidence", 60)] {
        assert_eq!(site.post(class, b"x").await.status, 200);
        let refused = site.post(class, b"x").await;
        assert_eq!((refused.status, refused.code().as_str()), (429, "too_many"));
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((longest - 30..=longest).contains(&wait), "{class}: {wait}");
    }
    assert_eq!(site.post("request", b"x").await.status, 200);
    // the page, and what the host answers itself, is not rationed
    for _ in 0..20 {
        assert_eq!(site.get("/").await.status, 200);
    }
    let metrics = site.metrics().await;
    let counted = r#"openkey_http_requests_total{route="enclave",class="sign-up",status="429"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
}
