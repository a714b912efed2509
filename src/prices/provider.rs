//! Providers of models, under the names that logs and price tables give them.

/// Names of one provider, in lower case. The first is the one that this program compares.
const SAME: [&[&str]; 16] = [
    &["anthropic"],
    &["openai", "text-completion-openai", "open_ai"],
    &[
        "azure",
        "azure_ai",
        "azure_text",
        "azure.ai.openai",
        "azure.ai.inference",
        "az.ai.openai",
        "az.ai.inference",
        "azure_openai",
        "azure-openai",
        "azure openai",
    ],
    &[
        "aws",
        "bedrock",
        "bedrock_converse",
        "aws.bedrock",
        "aws_bedrock",
        "amazon-bedrock",
        "amazon bedrock",
        "amazon",
    ],
    &[
        "google",
        "gemini",
        "vertex_ai",
        "vertex",
        "vertexai",
        "google_ai_studio",
        "google ai studio",
        "google-vertex",
        "google vertex",
        "gcp.gemini",
        "gcp.vertex_ai",
        "gcp.gen_ai",
        "google_genai",
        "google_vertexai",
        "google-ai-studio",
    ],
    &["mistral", "mistral_ai", "mistralai"],
    &["x-ai", "xai", "x_ai"],
    &["github-copilot", "github_copilot", "github.copilot", "copilot", "github copilot"],
    &["together", "together_ai", "together-ai", "togetherai"],
    &["fireworks", "fireworks_ai", "fireworks-ai", "fireworksai"],
    &["moonshotai", "moonshot", "moonshot_ai", "moonshot ai"],
    &["perplexity", "perplexity_ai", "perplexityai"],
    &["cohere", "cohere_chat"],
    &["meta", "meta_llama"],
    &["cloudflare", "cloudflare_workers_ai", "workers-ai"],
    &["zai", "z-ai", "z.ai"],
];

/// The one name of a provider that all of its names have in common.
pub(super) fn canonical(provider: &str) -> String {
    let name = provider.trim().to_lowercase();
    // LiteLLM writes `vertex_ai-language-models`, `vertex_ai-anthropic_models` and so on.
    let start = if name.starts_with("vertex_ai-") { "vertex_ai" } else { &name };
    let same = SAME.iter().find(|names| names.contains(&start));
    same.and_then(|names| names.first())
        .map_or_else(|| start.to_owned(), |first| (*first).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_provider_are_one() {
        for (name, expected) in [
            ("OpenAI", "openai"),
            ("aws.bedrock", "aws"),
            ("bedrock_converse", "aws"),
            ("vertex_ai-anthropic_models", "google"),
            ("GCP.Gemini", "google"),
            ("acme", "acme"),
        ] {
            assert_eq!(canonical(name), expected, "{name}");
        }
    }

    #[test]
    fn no_name_is_of_two_providers() {
        let mut names: Vec<_> = SAME.concat();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
