-- asks: a bill, of one organization, or of all when $organization is NULL: every class of tokens,
--   the cost by the log and by a price table, what the cache saved, and what has no price
-- params: organization, from, to
SELECT
  organization_id,
  project,
  provider,
  model,
  service_tier,
  count(*) AS calls,
  sum(input_tokens) AS input_tokens,
  sum(cached_tokens) AS cached_tokens,
  sum(cache_write_tokens) AS cache_write_tokens,
  sum(cache_write_1h_tokens) AS cache_write_1h_tokens,
  sum(output_tokens) AS output_tokens,
  sum(reasoning_tokens) AS reasoning_tokens,
  sum(cost) AS cost_logged,
  count(cost) AS calls_with_logged_cost,
  sum(cost_priced) AS cost_priced,
  sum(cost_uncached) - sum(cost_priced) AS saved_by_cache,
  count(*) FILTER (WHERE price_table IS NULL) AS unpriced_calls,
  sum(coalesce(input_tokens, 0)) FILTER (WHERE price_table IS NULL) AS unpriced_input_tokens,
  sum(coalesce(output_tokens, 0)) FILTER (WHERE price_table IS NULL) AS unpriced_output_tokens
FROM ai_usage_log
WHERE ($organization IS NULL OR organization_id = $organization)
  AND date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
GROUP BY 1, 2, 3, 4, 5
ORDER BY 1, 2, 3, 4, 5
