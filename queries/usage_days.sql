-- asks: usage of each day, also of days without rows; a day before the first or after the last day
--   with rows isn't covered, and has no figures
-- params: organization, from, to
WITH used AS (
  SELECT
    date AS day,
    sum(cost) AS total_cost,
    count(*) AS total_calls,
    count(cost) AS priced_calls,
    sum(input_tokens) AS total_input_tokens,
    sum(cached_tokens) AS total_cached_tokens,
    sum(output_tokens) AS total_output_tokens,
    avg(cache_hit_rate) AS avg_cache_hit_rate,
    sum(cost_priced) AS total_cost_priced,
    count(cost_priced) AS calls_with_price
  FROM ai_usage_log
  WHERE ($organization IS NULL OR organization_id = $organization)
    AND date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
  GROUP BY 1
),
known AS (
  SELECT min(date) AS first_day, max(date) AS last_day FROM ai_usage_log
),
days AS (
  SELECT asked.day, coalesce(asked.day BETWEEN first_day AND last_day, false) AS covered
  FROM (VALUES {days}) AS asked (day) CROSS JOIN known
)
SELECT
  days.day,
  CASE WHEN used.day IS NOT NULL THEN total_cost WHEN covered THEN 0 END AS total_cost,
  CASE WHEN used.day IS NOT NULL THEN total_calls WHEN covered THEN 0 END AS total_calls,
  CASE WHEN used.day IS NOT NULL THEN priced_calls WHEN covered THEN 0 END AS priced_calls,
  CASE WHEN used.day IS NOT NULL THEN total_input_tokens WHEN covered THEN 0 END
    AS total_input_tokens,
  CASE WHEN used.day IS NOT NULL THEN total_cached_tokens WHEN covered THEN 0 END
    AS total_cached_tokens,
  CASE WHEN used.day IS NOT NULL THEN total_output_tokens WHEN covered THEN 0 END
    AS total_output_tokens,
  avg_cache_hit_rate,
  CASE WHEN used.day IS NOT NULL THEN total_cost_priced WHEN covered THEN 0 END
    AS total_cost_priced,
  CASE WHEN used.day IS NOT NULL THEN calls_with_price WHEN covered THEN 0 END
    AS calls_with_price,
  covered
FROM days LEFT JOIN used ON used.day = days.day
ORDER BY days.day
