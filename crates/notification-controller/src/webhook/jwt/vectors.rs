//! Keys and tokens made with Python's `cryptography` for these tests; the private keys are gone.

/// A key set with one usable key per kind, and others that must be skipped.
pub(in crate::webhook) const KEYS: &str = r#"{"keys":[
  {"kty":"RSA","kid":"r","use":"sig","n":"vb_iO66ochURtnonHnb1wqpH7GamwwMawlkxWCE6v9d0wO3YNS0MPsloHRlLnM0u_Y5rL354Jof-yiq7paARvuz3z3kLBDx06feurM6rZsqeelfugaf39n2bnm8591AShZhtFeQqTj90JZDJgKQU2CnKR1v37CfUS8fwl0n6on9R5eWZ4_F28nuNfxHLRDzAC-35uB3Zj_JvhjpZiML36oyYqirzIATpg6UoKYr634H6ajTMYocuWKP-iDHWY3jBx3jM9j90JXLRu0FElK0YS6CZ6QYH7le67tvR6J4udOTf34RVD_dMLoyV4-DpQZdcncJSvaxM-zIroaagEHZAyw","e":"AQAB"},
  {"kty":"EC","kid":"p256","crv":"P-256","x":"70N3cFHViBwmPhFxHAihrNKr2RFrL4ftSXypcII_uBg","y":"9xMQy8Nr1WkwlIN5EP1NrkolBhN1d5-G5MovJ7n944A"},
  {"kty":"EC","kid":"p384","crv":"P-384","x":"EC38ywQ4gJX0S1AIymSmK5FfcCslchmtjn2i4LuxyC4ctb-LD8daDH7mceXRWumz","y":"KqCg076hwGry6yVB5LV-wp1UKeuE0PJSbeZBNhu316z1Ml1cag2Xvq95DkQvKImO"},
  {"kty":"OKP","kid":"ed","crv":"Ed25519","x":"CGbHzzJW7JemDdTUV5E94bp-ydskBPIJTdDotaD7F-Q"},
  {"kty":"oct","kid":"secret","k":"c2VjcmV0"},
  {"kty":"EC","kid":"bad","crv":"P-256","x":"AA","y":"AA"},
  {"nonsense":1}
]}"#;

/// The claims of all tokens, encoded.
pub(in crate::webhook) const CLAIMS: &str = "eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjpbIm90aGVyIiwibm90aWZpY2F0aW9uLWNvbnRyb2xsZXIiXSwic3ViIjoicyIsImV4cCI6NDEwMjQ0NDgwMCwibmJmIjoxNzY3MjI1NjAwfQ";

/// Algorithm, encoded header and signature.
pub(in crate::webhook) const SIGNED: [(&str, &str, &str); 9] = [
    (
        "RS256",
        "eyJhbGciOiJSUzI1NiIsImtpZCI6InIifQ",
        "e0H25OqkdNxT24632myne4tBWuHWb9Wd7MdqAsQuowCEPpkf1fCaTJ094zkehJmjV3j8Jbsyj_MXA8LrFszG9yi548glzBmAZIWoBA-BR2aietV_vro8LmnbSpdxPj4EJpsKyeXGDN2eeTprcr9-9oVwajLomEKgH8BxMwZG0xZpjTzKWQHiJUlJO_cq7twYJ0BE5iSK-gQyYtSE34i8vSgWwzi08xSc4yZlTYTFKQJur4q_LEVjcGDKzAUWRaWHQ7S2ZpYUioiAZ7i-jC1oX9L5gDbNSm801y_CFqeGrQt6BPcbJtuoT5SDJH2ZgB4DKwp17jO1szgHka3XCiv23A",
    ),
    (
        "RS384",
        "eyJhbGciOiJSUzM4NCIsImtpZCI6InIifQ",
        "skbdqLRlmXXAksXYPbnHs8FiAg_9ermdMa2muT1ctNs1EH3U-m_QdYmMRqITSLAarqv3i1BYHViIxFJKzSmB8vMN6hxwo-RbwpIcl1wX-MIR9iG6xza5K7ZND4v3j8o6tQTT7BbnIpDQMrjZuk3GIpeN376_du3u38blEB-_TQTqydClJiE7XzH3XbkFu5vSQqmxqZ6q4z8r0KiLntEtsK79OgQr4FqFp_3yDORCiBjXLXv6nYdCgYZS6ro68eA9DXJ52LfvM81Ma9Srfe0AYWPmsVv7KBlhQqxvKhG_QsdhmkG8Sy8awSWeIcfWioU3DqrB4gbTo9_GTUxDLetetg",
    ),
    (
        "RS512",
        "eyJhbGciOiJSUzUxMiIsImtpZCI6InIifQ",
        "efYO_oBB2vAssJKYpjAFLmOeVbfONn4OGkzb2vw9nWRKW1WVjJu4KTO5Atfl_ZbZyR1GCKWVWYXujFSQ4vUpv1u_05CCKKCscgzUhX9Wf8hBlu5sz-2lCHGBRIa9a_W53nP4_MOUTYWOxinaKJWvbKxteuB-ILzk49u4Xx4c1gh1EMF9v2OrM7gGJcFuv35uoIdf2cVT4cDlxw0BYy4TktmQJ-zgO-EQdO2y54-FFM4Z74u81uWpuCzLUhBbfe87QvIuNTbNo-1hpyAgnL7Srw4g3KwBPNLJUpTtbEcwNb4qfWh1oARG4JffiAm93E1jNh4jmZB1U_WqnUOY6Iyy9A",
    ),
    (
        "PS256",
        "eyJhbGciOiJQUzI1NiIsImtpZCI6InIifQ",
        "UrA80291r_BjXeCij3IkuDaUhifW7gZzCWbyUDtveRBAjr6sGcz7tZoW9U0muF-rfx2-wuwL4tThmXpVlivu85bbKSWdy08lpX-wDRLUxcVWLNE_At8I5xYqI_ulivlV3RmQkHdB3Yn71Kl6HzymtRBzfI8Dr5P0BZRwlES3PeBD4l3-CsiunpZ39gYcn-NkzT47XprmHCaNXdTHTsfJS9msV8kEGRFNnN_qMdx9eDaeTes1de8wcYxnwhChmUT6NuyxUk23SHE493g8cy8WdegFY5ZkNlk54qwGqtRYY5JV_U8nG8tp5yNQM1KT674EXHnTYZR7qUjd5EJACxt-QA",
    ),
    (
        "PS384",
        "eyJhbGciOiJQUzM4NCIsImtpZCI6InIifQ",
        "RVRVMwKuLyP-eliDZjJQyR2t-_3MmMRvRlVow80i__48ZdLLOz1t644bKrQeTWUDHgol4l3Nmf_epgK1Az5wkEeE_3OFkou5XEJUydi7xPiGy89kC_0W9VA2k289v44i80opCWMDT6vJR_1u1anwPXbGdKenQf818ITMaI6Te4gYCvaIgkO8utEigoIqqdP5aoxv51v-WWJOHfLOaIkzbEt06KRV22_pkGexQmdyTtlJ0pyAxxdFB0vLILfaPURya4-FSP4KtvAJA6rIOt8A1dZhShkXc2mr_pgoTjIkaq1kiPNQGGgjAFshLrqk7NDIMnub0NYuECMfSb1ckrivHA",
    ),
    (
        "PS512",
        "eyJhbGciOiJQUzUxMiIsImtpZCI6InIifQ",
        "SnVVxFPyfiNs29sFhEvgWoU7m9i0mwhVIk1x9Lkso4rSTjgT8t0LI1CXllbvKPvvIsfklh-tfX909--MaU9XMgABFx_2QqWEJunAr8kAj6P6VZxbRvhwCfpf589nWyZpWagAocgvrPoPAOJ_EWJ4JnylS4rf80ZXCs_w6qDCTXNaxnfvHjrDyvohBvWXHQUS9STuM5_5DQhhjgMJQHZce3TVTI0NUGRojlpeTosL9N6aB3iHWK7vqz8kl5Bm7wf1SGsJUfrKO2DsAScFMwSu0x7c1oMLN9S8j9H1Pg2Adai_L05FM-OTbGEsyyPyj1lciZIHiA53awMe8FZtb4-YWw",
    ),
    (
        "ES256",
        "eyJhbGciOiJFUzI1NiIsImtpZCI6InAyNTYifQ",
        "ldncolBZ9lzd7ZG7IR3seqeWRZE7PJbKs8OqGNjik3qb1ltxovbuxkUTBAGQ8cefLlSO-0_Z8KwjzLyn9i482Q",
    ),
    (
        "ES384",
        "eyJhbGciOiJFUzM4NCIsImtpZCI6InAzODQifQ",
        "6QgFOZBZELQFlwk9LuB9gmpd6A1I7ZzkPxT9Jn1mfRCXu692L6Vp_b3YGiDY5M98sVSA6LbaE9g1WsI1KIhG_8SVaA3cz0fb3NXWHB4gcsHrwH9PvitFild895JhqeUg",
    ),
    (
        "EdDSA",
        "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkIn0",
        "LNMyG9ufMbt1Js--xHQ8Xz40vjOSDc-H3AxZimby-uksplebwc50e8KCPEk_zZTxBnOYLPgXRtLWENl3SZ2sCA",
    ),
];

/// A token as Google makes them, with the first key.
pub(in crate::webhook) const GOOGLE: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InIifQ.eyJpc3MiOiJodHRwczovL2FjY291bnRzLmdvb2dsZS5jb20iLCJhdWQiOiJodHRwczovL2hvb2tzLmV4YW1wbGUvIiwiZW1haWwiOiJwdXNoQHByb2plY3QuaWFtLmV4YW1wbGUiLCJlbWFpbF92ZXJpZmllZCI6dHJ1ZSwiZXhwIjo0MTAyNDQ0ODAwLCJpYXQiOjE3NjcyMjU2MDAsInN1YiI6IjEifQ.OgDx7YZ7rV0zSMorkPT0V-ZPKUzrXRVfvdQKhWUDSSfJjP4DxObwStrwQMNtKz4fnlWMCH511AjEf6MTDLF4CCLeHwMP0LQ3pyiK0o9JX6qt57QoKmKzU6jjrboC4_J2ra2rGM9ZQiXDfCfvjVVJ4mkSeKfr1kGAfuwrVXjdIaGqRKAPphca5hGR43IUpfCTV3SaAtgbt5JSq30ktyPQNT4BTCd32stUQcaOxx-w9VVXJ-aYh_gvGZzXnOfrWJtbbobVDp9kMaEh2oo0ixxO1vU70Ab7Mq7DltOkhNIFbW6bEIGVHG8x1Oiyfm4RblKvPMPbIUlZhEyMLTcW3bU20A";
