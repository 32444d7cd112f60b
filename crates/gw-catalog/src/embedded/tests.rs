use gw_core::ProviderId;

use super::rows::{self, ModelRow, OfferingRow};
use super::{Data, FEES, MODELS, OFFERINGS, RULES};
use crate::identity::identity;
use crate::price_text;

#[test]
fn the_embedded_tables_read() {
    let data = Data::parse(MODELS, OFFERINGS, RULES, FEES).unwrap();
    assert!(data.offerings.len() > 1500, "{}", data.offerings.len());
    assert!(MODELS.len() + OFFERINGS.len() + RULES.len() < 400 * 1024);
    for line in rows::lines(MODELS) {
        assert_eq!(ModelRow::parse(line).unwrap().to_line(), line);
    }
    for line in rows::lines(OFFERINGS) {
        let row = OfferingRow::parse(line).unwrap();
        assert_eq!(row.to_line(), line);
        assert_eq!(row.model, identity(&row.provider, &row.name), "{line}");
    }
}

#[test]
fn one_sonnet_everywhere() {
    let data = Data::embedded();
    let sellers: Vec<&str> = data
        .offerings
        .iter()
        .filter(|offering| offering.model.as_str() == "claude-sonnet-4-5")
        .map(|offering| offering.provider.as_str())
        .collect();
    for provider in ["anthropic", "openrouter", "bedrock", "vertexai", "azure"] {
        assert!(sellers.contains(&provider), "{provider}");
    }
}

#[test]
fn what_no_table_lists_has_its_identity_and_a_price_by_rule() {
    let data = Data::embedded();
    let check = |provider: &str, name: &str, model: &str, price: &str| {
        let offering = data.unlisted(&ProviderId::from("mine"), provider, name);
        assert_eq!(offering.model.as_str(), model);
        assert!(price_text::format(&offering.prices).starts_with(price), "{offering:?}");
        assert_eq!(offering.provider.as_str(), "mine");
    };
    check(
        "anthropic",
        "claude-sonnet-4-5-20991231",
        "claude-sonnet-4-5",
        "in=3 cr=0.3 cw=3.75 cw1h=6 out=15",
    );
    check("openai", "gpt-4o-mini-2024-07-18", "gpt-4o-mini", "in=0.15 cr=0.075 out=0.6");
    check("azure", "gpt-4o-mini", "gpt-4o-mini", "in=0.15");
    check("groq", "nobody/knows", "knows", "");
    assert!(data.unlisted(&ProviderId::from("openai"), "openai", "gpt-4o").capabilities.tools);
}

#[test]
fn bad_lines_are_named() {
    let fails = |models: &str, offerings: &str, rules: &str, fees: &str| {
        Data::parse(models, offerings, rules, fees).unwrap_err()
    };
    assert!(fails("m\tM\tf\t\tmany", "", "", "").contains("models.tsv"));
    assert!(fails("", "p\tn", "", "").contains("offerings.tsv"));
    assert!(fails("", "p\tn\tm\twhat:ever", "", "").contains("offerings.tsv"));
    assert!(fails("", "", "p\tid\tplain\tin=1", "").contains("rules.tsv"));
    assert!(fails("", "", "p\tid\t=n\tin=x", "").contains("in=x"));
    let fee = |price: &str, source: &str| {
        let text = format!("[[fee]]\nprovider = \"p\"\nprice = \"{price}\"\nsource = \"{source}\"");
        fails("", "", "", &text)
    };
    assert!(fee("search=cheap", "x").contains("search=cheap"));
    assert!(fee("search=1; search=2", "x").contains("one price"));
    assert!(fee("search=1", " ").contains("where it is from"));
}
