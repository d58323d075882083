//! What is a secret and what only looks like one. Every secret here is made up, and put together from pieces so that
//! scanners of this source find none.

use proptest::prelude::*;

use super::*;

fn rules_in(text: &str) -> Vec<&'static str> {
    scan(text).into_iter().map(|secret| secret.rule).collect()
}

fn pem(kind: &str, body_lines: usize) -> String {
    let line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
    format!("-----BEGIN {kind}-----\n{}-----END {kind}-----\n", format!("{line}\n").repeat(body_lines))
}

#[test]
fn every_rule_compiles_has_its_own_name_and_a_keyword() {
    let scanner = Scanner::compile();
    let ids: BTreeSet<&str> = scanner.rules.iter().map(|known| known.rule.id.as_str()).collect();
    assert_eq!(ids.len(), scanner.rules.len());
    assert!(scanner.rules.len() > 55, "{}", scanner.rules.len());
    for known in &scanner.rules {
        assert!(!known.rule.keywords.is_empty(), "{}", known.rule.id);
        assert!(known.expression.captures_len() > known.rule.capture, "{}", known.rule.id);
    }
}

#[test]
fn secrets_are_found() {
    let key40 = concat!("wJalrXUtnFEM", "I7K7MDENGbPxRfiCYzq8sT2vLp0w");
    let cases = [
        (format!("aws_key = \"{}{}\"", "AKIA", "Q3EGTLZ7XR5WMN42"), "aws-access-key"),
        (format!("AWS_SECRET_ACCESS_KEY={key40}"), "aws-secret-key"),
        (format!("token: {}{}", "ghp_", "16C7e42F292c6912E7710c838347Ae178B4a"), "github-pat"),
        (format!("{}{}", "glpat-", "Zx8Kq2vW9sT4yR7pLm3N"), "gitlab-pat"),
        (format!("{}{}", "sk_live_", "4eC39HqLyjWDarjtT1zdp7dc"), "stripe-secret-key"),
        (
            format!("x {}{}", "sk-ant-api03-", "aB3dE6fG9hJ2kL5mN8pQ1rS4tU7vW0xY3zA6bC9dE2fG5hJ8"),
            "anthropic-api-key",
        ),
        (
            format!(
                "{}{}",
                "https://hooks.slack.com/services/", "T0A1B2C3D/B0A1B2C3D/x8Yq2Lr5Vt7Nw3Kz6Mp9Js1D"
            ),
            "slack-webhook",
        ),
        (format!("postgres://app:{}@db.internal/app", "Xk29fLq8"), "postgres-connection-uri"),
        (format!("password = \"{}\"", "Tr0ub4dor&3"), "password-assignment"),
        (format!("api_key = '{}'", "a8f5f167f44f4964e6c998dee827110c"), "generic-api-key"),
        (format!("secret: {}", "9f86d081884c7d659a2feaa0c55ad015"), "generic-secret"),
        (pem("RSA PRIVATE KEY", 4), "private-key"),
        (pem("OPENSSH PRIVATE KEY", 4), "private-key"),
        (pem("ENCRYPTED PRIVATE KEY", 4), "private-key-other"),
        (pem("PGP PRIVATE KEY BLOCK", 4), "private-key-other"),
        (pem("PRIVATE KEY", 2).replace('\n', "\\n"), "private-key"),
    ];
    for (text, rule) in cases {
        assert_eq!(rules_in(&text), [rule], "{text}");
        assert_eq!(rules_in(&format!("before\n{text}\nafter\n")), [rule], "{text} between lines");
        let clean = redact(&format!("a {text}\nb"));
        assert!(clean.contains(&format!("[redacted:{rule}]")), "{clean}");
        assert!(scan(&clean).is_empty(), "{clean}");
    }
}

#[test]
fn what_stands_for_a_secret_is_none() {
    let cases = [
        concat!("AKIA", "IOSFODNN7EXAMPLE").to_owned(),
        format!("AWS_SECRET_ACCESS_KEY={}", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        "password = \"changeme\"".to_owned(),
        "password = \"changeme123\"".to_owned(),
        "password: \"Enter your password 2 times\"".to_owned(),
        "password = \"${DB_PASSWORD_1}\"".to_owned(),
        "password = os.environ[\"DB_PASSWORD_1\"]".to_owned(),
        "api_key = settings_loader_for_api_v2".to_owned(),
        "api_key: <your-api-key-goes-here-123>".to_owned(),
        "secret = generate_random_secret_key".to_owned(),
        "client_secret: process.env.CLIENT_SECRET_2024".to_owned(),
        format!("ghp_{}", "x".repeat(36)),
        format!("api_key = \"{}\"", "0123456789abcdef0123456789abcdef"),
        "postgres://user:password@localhost/test".to_owned(),
        "-----BEGIN RSA PRIVATE KEY-----".to_owned(),
        "const HEADER: &str = \"-----BEGIN PRIVATE KEY-----\"; let footer = 1;".to_owned(),
        "if text.contains(\"-----BEGIN RSA PRIVATE KEY-----\") {\n    return Err(BadKey);\n}\n".to_owned(),
        "sha256 = \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"".to_owned(),
        "index 83d9cd684c87d95d656c1458ef04895a7f1cbd8e..e163e53b".to_owned(),
    ];
    for text in cases {
        assert_eq!(rules_in(&text), [] as [&str; 0], "{text}");
    }
}

#[test]
fn a_rules_own_validation_is_applied() {
    let text = r#"
[[rule]]
id = "x"
name = "x"
severity = "high"
pattern = '(\S+)'
keywords = ["k"]
[rule.validate]
prefix = ["k_"]
charset = "a-z0-9_"
min_length = 8
max_length = 10
[rule.allow]
patterns = ["^k_public"]
"#;
    let known = Known::compile(parse_rules(text, "test").unwrap().remove(0));
    assert!(known.holds("k_4f9a2c"));
    for wrong in ["x_4f9a2c", "k_4f9a2", "k_4f9a2c1d0", "k_4F9A2C", "k_public7"] {
        assert!(!known.holds(wrong), "{wrong}");
    }
}

#[test]
fn a_redacted_text_keeps_everything_else() {
    let token = concat!("ghp_", "16C7e42F292c6912E7710c838347Ae178B4a");
    assert_eq!(redact(&format!("ä {token} ö\nend")), "ä [redacted:github-pat] ö\nend");
    assert_eq!(redact("nothing here"), "nothing here");
}

#[test]
fn a_key_that_is_cut_off_is_redacted_as_far_as_it_goes() {
    let whole = pem("RSA PRIVATE KEY", 6);
    let cut = &whole[..whole.len() - 60];
    assert_eq!(redact(&format!("key:\n{cut}")), "key:\n[redacted:private-key]");
}

#[test]
fn the_exact_rule_wins_over_the_guess() {
    let text = format!("secret = \"{}{}\"", "ghp_", "16C7e42F292c6912E7710c838347Ae178B4a");
    let found = scan(&text);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].rule, found[0].exact), ("github-pat", true));
}

proptest! {
    #[test]
    fn matches_lie_in_order_on_character_boundaries(text in "(?s).{0,200}") {
        let mut before = 0;
        for secret in scan(&text) {
            prop_assert!(secret.start >= before && secret.end > secret.start);
            prop_assert!(text.is_char_boundary(secret.start) && text.is_char_boundary(secret.end));
            before = secret.end;
        }
    }

    #[test]
    fn a_token_is_found_and_taken_out_wherever_it_stands(before in "[ -~äö\\n]{0,60}", after in "[ -~äö\\n]{0,60}") {
        let token = concat!("ghp_", "16C7e42F292c6912E7710c838347Ae178B4a");
        let clean = redact(&format!("{before} {token} {after}"));
        prop_assert!(!clean.contains(token));
    }
}
