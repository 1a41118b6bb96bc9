//! Where sources may not go: a rule file must not make the server ask its own neighbours.

use serde_json::json;

use super::crm::Crm;
use super::event::inbound;
use super::phone::Phone;
use super::server::{Place, Server};

fn rules(url: &str, more: &str) -> String {
    format!(
        "
version: 1
sources:
  crm:
    http:
      url: {url}
      query: {{phone: \"{{{{customer.e164}}}}\"}}
{more}
rules:
  - name: failed
    needs: {{crm: failed}}
    card: [{{type: title, text: The CRM is down}}]
  - name: answered
    needs: {{crm: some}}
    card: [{{type: title, text: \"{{{{crm.name}}}}\"}}]
"
    )
}

#[tokio::test]
async fn a_private_address_written_in_the_rules_keeps_the_server_from_starting() {
    let phone = Phone::start();
    for host in ["127.0.0.1:9", "10.0.0.1", "192.168.1.1", "169.254.169.254", "[::1]:9", "0.0.0.0", "2130706433"] {
        let place = Place::new(&rules(&format!("http://{host}/contacts"), ""), &phone);
        let (code, said) = place.refused().await;
        assert_eq!(code, Some(1), "{host}: {said}");
        assert!(said.contains("R045") && said.contains("main.yaml:6:"), "{host}: {said}");
        assert!(said.contains("private: true"), "{host}: {said}");
    }
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_refused_when_it_is_dialled() {
    let (phone, crm) = (Phone::start(), Crm::knowing(&json!([{"name": "Jane Canary"}])));
    let url = format!("http://localhost:{}/contacts", crm.port());
    let server = Server::with(&rules(&url, "      records: $.results[*]"), &phone).await;
    let settled = server.ring_and_settle(&inbound("dialled", "+905321234567")).await;
    assert_eq!(settled["rule"], "failed", "{settled}");
    assert_eq!(crm.asked().len(), 0);
}

#[tokio::test]
async fn private_true_lets_the_same_name_through() {
    let (phone, crm) = (Phone::start(), Crm::knowing(&json!([{"name": "Jane Canary"}])));
    let url = format!("http://localhost:{}/contacts", crm.port());
    let more = "      records: $.results[*]\n      private: true";
    let server = Server::with(&rules(&url, more), &phone).await;
    let settled = server.ring_and_settle(&inbound("dialled", "+905321234567")).await;
    assert_eq!(settled["rule"], "answered", "{settled}");
    assert_eq!(crm.asked().len(), 1);
}
