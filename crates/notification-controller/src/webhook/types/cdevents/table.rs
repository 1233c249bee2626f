//! The event types of `CDEvents` 0.4.1 and the fields of their subjects' content.
//!
//! One row per type. Deliberately not generated from the published schemas: a row is a line, and the specification's version is fixed.

/// Whether a field may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Required,
    Optional,
}

/// What a field must be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// Any text.
    Text,
    /// A text that is not empty.
    NonEmpty,
    /// A URI or a relative one.
    Uri,
    /// A package URL.
    PackageUrl,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// An object with these fields.
    Object(&'static [Field]),
}

/// A field of a content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) need: Need,
    pub(super) rule: Rule,
}

const fn required(name: &'static str, rule: Rule) -> Field {
    Field { name, need: Need::Required, rule }
}

const fn optional(name: &'static str, rule: Rule) -> Field {
    Field { name, need: Need::Optional, rule }
}

const REFERENCE: Rule = Rule::Object(&[required("id", Rule::NonEmpty), optional("source", Rule::Uri)]);
const SBOM: Rule = Rule::Object(&[required("uri", Rule::NonEmpty)]);
const OUTCOME: Rule = Rule::OneOf(&["pass", "fail", "cancel", "error"]);
const SEVERITY: Rule = Rule::OneOf(&["low", "medium", "high", "critical"]);
const OUTPUT: Rule = Rule::OneOf(&["report", "video", "image", "log", "other"]);
const TRIGGERS: Rule = Rule::OneOf(&["manual", "pipeline", "event", "schedule", "other"]);
const TRIGGER: Rule = Rule::Object(&[optional("type", TRIGGERS), optional("uri", Rule::Text)]);
const CASE_KINDS: Rule =
    Rule::OneOf(&["performance", "functional", "unit", "security", "compliance", "integration", "e2e", "other"]);
const TEST_CASE: Rule = Rule::Object(&[
    required("id", Rule::NonEmpty),
    optional("version", Rule::Text),
    optional("name", Rule::Text),
    optional("type", CASE_KINDS),
    optional("uri", Rule::Text),
]);
const TEST_SUITE: Rule = Rule::Object(&[
    required("id", Rule::NonEmpty),
    optional("version", Rule::Text),
    optional("name", Rule::Text),
    optional("uri", Rule::Text),
    optional("url", Rule::Text),
]);

const NONE: &[Field] = &[];
const USER: &[Field] = &[optional("user", Rule::NonEmpty)];
const OF_REPOSITORY: &[Field] = &[optional("repository", REFERENCE), optional("description", Rule::Text)];
const ENVIRONMENT: &[Field] = &[optional("name", Rule::Text), optional("url", Rule::Text)];
const INCIDENT: &[Field] = &[
    required("environment", REFERENCE),
    optional("description", Rule::Text),
    optional("service", REFERENCE),
    optional("artifactId", Rule::PackageUrl),
];
const INCIDENT_REPORT: &[Field] = &[
    required("environment", REFERENCE),
    required("ticketURI", Rule::NonEmpty),
    optional("description", Rule::Text),
    optional("service", REFERENCE),
    optional("artifactId", Rule::PackageUrl),
];
const PIPELINE: &[Field] = &[
    optional("pipelineName", Rule::Text),
    optional("url", Rule::Text),
    optional("outcome", Rule::Text),
    optional("errors", Rule::Text),
];
const REPOSITORY: &[Field] = &[
    optional("name", Rule::Text),
    optional("owner", Rule::Text),
    optional("url", Rule::Text),
    optional("viewUrl", Rule::Text),
];
const NEW_REPOSITORY: &[Field] = &[
    required("name", Rule::NonEmpty),
    required("url", Rule::NonEmpty),
    optional("owner", Rule::Text),
    optional("viewUrl", Rule::Text),
];
const DEPLOYMENT: &[Field] = &[required("environment", REFERENCE), required("artifactId", Rule::PackageUrl)];
const SERVICE: &[Field] = &[optional("environment", REFERENCE)];
const TASK: &[Field] = &[
    optional("taskName", Rule::Text),
    optional("url", Rule::Text),
    optional("pipelineRun", REFERENCE),
    optional("outcome", Rule::Text),
    optional("errors", Rule::Text),
];
const CASE_END: &[Field] = &[
    required("outcome", OUTCOME),
    required("environment", REFERENCE),
    optional("severity", SEVERITY),
    optional("reason", Rule::Text),
    optional("testSuiteRun", REFERENCE),
    optional("testCase", TEST_CASE),
];
const CASE_START: &[Field] = &[
    required("environment", REFERENCE),
    optional("trigger", TRIGGER),
    optional("testSuiteRun", REFERENCE),
    optional("testCase", TEST_CASE),
];
const CASE_SKIP: &[Field] = &[
    optional("environment", REFERENCE),
    optional("reason", Rule::Text),
    optional("testSuiteRun", REFERENCE),
    optional("testCase", TEST_CASE),
];
const OF_OUTPUT: &[Field] = &[
    required("outputType", OUTPUT),
    optional("format", Rule::Text),
    optional("uri", Rule::Text),
    optional("testCaseRun", REFERENCE),
];
const SUITE_END: &[Field] = &[
    required("outcome", OUTCOME),
    required("environment", REFERENCE),
    optional("testSuite", TEST_SUITE),
    optional("severity", SEVERITY),
    optional("reason", Rule::Text),
];
const SUITE_START: &[Field] =
    &[required("environment", REFERENCE), optional("trigger", TRIGGER), optional("testSuite", TEST_SUITE)];

const fn ticket(creator: Need, resolution: Need) -> [Field; 11] {
    [
        required("uri", Rule::NonEmpty),
        Field { name: "creator", need: creator, rule: Rule::NonEmpty },
        Field { name: "resolution", need: resolution, rule: Rule::NonEmpty },
        optional("summary", Rule::Text),
        optional("ticketType", Rule::Text),
        optional("group", Rule::Text),
        optional("assignees", Rule::Texts),
        optional("priority", Rule::Text),
        optional("labels", Rule::Texts),
        optional("milestone", Rule::Text),
        optional("updatedBy", Rule::Text),
    ]
}

const TICKET_CLOSED: &[Field] = &ticket(Need::Optional, Need::Required);
const TICKET_CREATED: &[Field] = &ticket(Need::Required, Need::Optional);
const TICKET_UPDATED: &[Field] = &ticket(Need::Optional, Need::Optional);

/// A type without its root, the type of its subject, and the fields of its content.
pub(super) const TYPES: [(&str, &str, &[Field]); 45] = [
    ("artifact.deleted.0.1.0", "artifact", USER),
    ("artifact.downloaded.0.1.0", "artifact", USER),
    ("artifact.packaged.0.2.0", "artifact", &[required("change", REFERENCE), optional("sbom", SBOM)]),
    ("artifact.published.0.2.0", "artifact", &[optional("sbom", SBOM), optional("user", Rule::NonEmpty)]),
    ("artifact.signed.0.2.0", "artifact", &[required("signature", Rule::NonEmpty)]),
    ("branch.created.0.2.0", "branch", OF_REPOSITORY),
    ("branch.deleted.0.2.0", "branch", OF_REPOSITORY),
    ("build.finished.0.2.0", "build", &[optional("artifactId", Rule::PackageUrl)]),
    ("build.queued.0.2.0", "build", NONE),
    ("build.started.0.2.0", "build", NONE),
    ("change.abandoned.0.2.0", "change", OF_REPOSITORY),
    ("change.created.0.3.0", "change", OF_REPOSITORY),
    ("change.merged.0.2.0", "change", OF_REPOSITORY),
    ("change.reviewed.0.2.0", "change", OF_REPOSITORY),
    ("change.updated.0.2.0", "change", OF_REPOSITORY),
    ("environment.created.0.2.0", "environment", ENVIRONMENT),
    ("environment.deleted.0.2.0", "environment", ENVIRONMENT),
    ("environment.modified.0.2.0", "environment", ENVIRONMENT),
    ("incident.detected.0.2.0", "incident", INCIDENT),
    ("incident.reported.0.2.0", "incident", INCIDENT_REPORT),
    ("incident.resolved.0.2.0", "incident", INCIDENT),
    ("pipelinerun.finished.0.2.0", "pipelineRun", PIPELINE),
    ("pipelinerun.queued.0.2.0", "pipelineRun", PIPELINE),
    ("pipelinerun.started.0.2.0", "pipelineRun", PIPELINE),
    ("repository.created.0.2.0", "repository", NEW_REPOSITORY),
    ("repository.deleted.0.2.0", "repository", REPOSITORY),
    ("repository.modified.0.2.0", "repository", REPOSITORY),
    ("service.deployed.0.2.0", "service", DEPLOYMENT),
    ("service.published.0.2.0", "service", SERVICE),
    ("service.removed.0.2.0", "service", SERVICE),
    ("service.rolledback.0.2.0", "service", DEPLOYMENT),
    ("service.upgraded.0.2.0", "service", DEPLOYMENT),
    ("taskrun.finished.0.2.0", "taskRun", TASK),
    ("taskrun.started.0.2.0", "taskRun", TASK),
    ("testcaserun.finished.0.2.0", "testCaseRun", CASE_END),
    ("testcaserun.queued.0.2.0", "testCaseRun", CASE_START),
    ("testcaserun.skipped.0.1.0", "testCaseRun", CASE_SKIP),
    ("testcaserun.started.0.2.0", "testCaseRun", CASE_START),
    ("testoutput.published.0.2.0", "testOutput", OF_OUTPUT),
    ("testsuiterun.finished.0.2.0", "testSuiteRun", SUITE_END),
    ("testsuiterun.queued.0.2.0", "testSuiteRun", SUITE_START),
    ("testsuiterun.started.0.2.0", "testSuiteRun", SUITE_START),
    ("ticket.closed.0.1.0", "ticket", TICKET_CLOSED),
    ("ticket.created.0.1.0", "ticket", TICKET_CREATED),
    ("ticket.updated.0.1.0", "ticket", TICKET_UPDATED),
];

/// The subject's type and the content's fields of a type.
pub(super) fn content_of(type_: &str) -> Option<(&'static str, &'static [Field])> {
    TYPES.iter().find(|(known, _, _)| *known == type_).map(|(_, subject, fields)| (*subject, *fields))
}
