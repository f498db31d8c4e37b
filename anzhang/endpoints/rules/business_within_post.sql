/* +++
name = "business_within_post"
title = "Business is done inside the functions, jurisdiction, hours and ordinary volume of a post"
streams = ["app_event"]
registers = ["account", "person", "assignment", "system", "unit", "log_source", "holiday", "business_exception", "approval"]
parameters = ["bulk_factor", "baseline_days"]
window_days = 60
mode = "append"
+++ */
-- What an account did by a function for an area in an hour: when first and last, and how many records. An act of which nobody says how many
-- records it took is one.
SELECT source, user_name, function, area, hour, min(at_) AS first_at, max(at_) AS last_at, sum(records) AS records,
       arg_min(line, at_) AS first_line, arg_max(line, at_) AS last_line
FROM (
    SELECT timestamp AS at_, line, source, user_name, lower(trim(function)) AS function, lower(trim(unit)) AS area,
           date_trunc('hour', timestamp) AS hour, coalesce(record_count, 1) AS records
    FROM app_event WHERE coalesce(event_outcome, '') <> 'failure' AND user_name IS NOT NULL
)
GROUP BY source, user_name, function, area, hour;

-- Art. 14, obligation A14.1. A person's posts of daily work are those that name the system or none. An act is within a post that admits it in
-- everything that the post states; what it does not state is judged by nobody, and such a post is unknown on it. The first and the last act
-- of each hour are looked at: hours of posts seldom begin within one. A day's records are held against the role, which is a duty on a
-- system: the 99th percentile of its person-days before that day. A system heard for less, or a role with fewer than ten person-days, has no
-- norm yet. An exception covers person, system and day; recorded after the act it makes it regularized. What is thirty days old is over.
WITH
owned AS (SELECT o.code AS source, s.id AS system_id FROM log_source o JOIN system s ON s.id = o.system_id),
holder AS (
    SELECT c.id AS account_id, c.name AS account, c.state = 'open' AND s.state = 'in_service' AS live, s.id AS system_id, s.code AS system_code,
           s.name AS system_name, p.id AS person_id, p.code AS person, p.name AS person_name, u.code AS unit
    FROM account c JOIN system s ON s.id = c.system_id JOIN person p ON p.id = c.person_id JOIN unit u ON u.id = p.unit_id
    WHERE c.of_application IS NOT TRUE
),
post AS (
    SELECT h.account_id, a.id AS assignment_id, a.duty, a.valid_from, coalesce(a.valid_to, TIMESTAMP '9999-12-31') AS valid_to,
           from_json(lower(a.functions), '["VARCHAR"]') AS functions, from_json(lower(a.jurisdiction), '["VARCHAR"]') AS areas,
           starts_with(a.hours, '每日') AS every_day,
           CAST(left(right(a.hours, 11), 2) AS INTEGER) * 60 + CAST(left(right(a.hours, 8), 2) AS INTEGER) AS opens,  -- minutes of the day
           CAST(left(right(a.hours, 5), 2) AS INTEGER) * 60 + CAST(right(a.hours, 2) AS INTEGER) AS closes
    FROM holder h JOIN assignment a ON a.person_id = h.person_id AND (a.system_id IS NULL OR a.system_id = h.system_id)
    WHERE a.superseded_at IS NULL AND a.duty IN ('system_manager', 'dba', 'developer', 'integrator', 'maintainer', 'operator')
),
act AS (
    SELECT h.account_id, h.system_id, h.person_id, h.live, f.function, f.area, CAST(f.first_at + INTERVAL 8 HOUR AS DATE) AS day, f.first_at,
           f.last_at, f.records, f.first_line, f.last_line
    FROM facts f JOIN owned w ON w.source = f.source JOIN holder h ON h.system_id = w.system_id AND h.account = f.user_name
),
granted AS (
    SELECT x.id, x.system_id, x.person_id, x.recorded_at, x.starts_at, least(x.ends_at, coalesce(b.valid_to, x.ends_at)) AS ends_at
    FROM business_exception x JOIN approval b ON b.id = x.basis_id AND b.superseded_at IS NULL
),
-- One: functions, areas, hours
stated AS (SELECT DISTINCT account_id FROM post WHERE functions IS NOT NULL OR areas IS NOT NULL OR opens IS NOT NULL),
recent AS (
    SELECT a.*, coalesce(h.is_workday, isodow(a.day) < 6) AS workday, (hour(a.first_at) + 8) % 24 * 60 + minute(a.first_at) AS first_minute,
           (hour(a.last_at) + 8) % 24 * 60 + minute(a.last_at) AS last_minute
    FROM act a SEMI JOIN stated s ON s.account_id = a.account_id LEFT JOIN holiday h ON h.day = a.day
    WHERE a.live AND a.last_at > $at - INTERVAL 30 DAY
),
suspect AS (  -- nearly all hours lie within one post as a whole, and are done with here
    SELECT a.* FROM recent a WHERE NOT EXISTS (
        SELECT 1 FROM post p WHERE p.account_id = a.account_id AND p.valid_from <= a.first_at AND a.last_at < p.valid_to
            AND (p.functions IS NULL OR a.function IS NULL OR list_contains(p.functions, a.function))
            AND (p.areas IS NULL OR a.area IS NULL OR list_contains(p.areas, a.area))
            AND (p.opens IS NULL OR ((p.every_day OR a.workday) AND a.first_minute >= p.opens AND a.last_minute < p.closes))
    )
),
dated AS (
    SELECT account_id, system_id, person_id, function, area, workday, at_, clock_, any_value(line) AS line FROM (
        SELECT account_id, system_id, person_id, function, area, workday, unnest([first_at, last_at]) AS at_,
               unnest([first_minute, last_minute]) AS clock_, unnest([first_line, last_line]) AS line
        FROM suspect
    ) GROUP BY ALL
),
held AS (
    SELECT d.account_id, d.system_id, d.person_id, d.function, d.area, d.at_, d.line, p.assignment_id,
           coalesce(p.functions IS NOT NULL AND NOT list_contains(p.functions, d.function), false) AS other_function,
           coalesce(p.areas IS NOT NULL AND NOT list_contains(p.areas, d.area), false) AS other_area,
           coalesce(p.opens IS NOT NULL AND NOT ((p.every_day OR d.workday) AND d.clock_ >= p.opens AND d.clock_ < p.closes), false) AS other_hours
    FROM dated d JOIN post p ON p.account_id = d.account_id AND p.valid_from <= d.at_ AND d.at_ < p.valid_to
),
outside AS (
    SELECT account_id, system_id, person_id, function, area, at_ AS first_at, at_ AS last_at, any_value(line) AS line,
           list(DISTINCT 'assignment:' || assignment_id) AS posts,
           CASE WHEN bool_and(other_function) THEN 'act_outside_functions' WHEN bool_and(other_area) THEN 'act_outside_jurisdiction'
                WHEN bool_and(other_hours) THEN 'act_outside_hours' ELSE 'act_outside_post' END AS code
    FROM held GROUP BY account_id, system_id, person_id, function, area, at_ HAVING bool_and(other_function OR other_area OR other_hours)
),
-- Two: volume
daily AS (
    SELECT account_id, system_id, person_id, bool_or(live) AS live, day, sum(records) AS records, min(first_at) AS first_at, max(last_at) AS last_at,
           arg_max(last_line, records) AS line
    FROM act GROUP BY account_id, system_id, person_id, day
),
role_day AS (
    SELECT DISTINCT d.account_id, d.system_id, d.day, d.records, p.duty, d.live
    FROM daily d JOIN post p ON p.account_id = d.account_id AND p.valid_from <= d.last_at AND d.first_at < p.valid_to
),
begun AS (SELECT system_id, min(day) AS day FROM daily GROUP BY system_id),
asked AS (
    SELECT DISTINCT system_id, duty, day FROM role_day WHERE live AND day > CAST($at + INTERVAL 8 HOUR AS DATE) - 30
),
norm AS (
    SELECT a.system_id, a.duty, a.day, quantile_cont(b.records, 0.99) AS most, count(*) AS days
    FROM asked a JOIN role_day b ON b.system_id = a.system_id AND b.duty = a.duty
      AND b.day >= a.day - CAST($baseline_days AS INTEGER) AND b.day < a.day
    GROUP BY a.system_id, a.duty, a.day
),
weighed AS (
    SELECT r.account_id, r.day, any_value(r.records) AS records, max(greatest(n.most, 1)) AS most,
           bool_and(coalesce(n.days >= 10 AND g.day <= r.day - CAST($baseline_days AS INTEGER), false)) AS known
    FROM role_day r JOIN asked a ON a.system_id = r.system_id AND a.duty = r.duty AND a.day = r.day JOIN begun g ON g.system_id = r.system_id
    LEFT JOIN norm n ON n.system_id = r.system_id AND n.duty = r.duty AND n.day = r.day
    WHERE r.live GROUP BY r.account_id, r.day
),
offence AS (
    SELECT account_id, system_id, person_id, function, area, first_at, last_at, line, posts, code, NULL::DOUBLE AS records, NULL::DOUBLE AS most
    FROM outside
    UNION ALL
    SELECT d.account_id, d.system_id, d.person_id, NULL, NULL, d.first_at, d.last_at, d.line, NULL, 'volume_over_norm', w.records, w.most
    FROM weighed w JOIN daily d ON d.account_id = w.account_id AND d.day = w.day WHERE w.known AND w.records > $bulk_factor * w.most
),
excused AS (
    SELECT o.*, x.papers, CASE WHEN x.recorded_at IS NULL THEN 'no' WHEN x.recorded_at <= o.first_at THEN 'yes' ELSE 'later' END AS leave_
    FROM offence o LEFT JOIN (
        SELECT o.account_id, o.code, o.first_at, o.last_at, min(g.recorded_at) AS recorded_at, list(DISTINCT 'business_exception:' || g.id) AS papers
        FROM offence o JOIN granted g ON g.system_id = o.system_id AND g.person_id = o.person_id AND g.starts_at <= o.first_at AND o.last_at < g.ends_at
        GROUP BY o.account_id, o.code, o.first_at, o.last_at
    ) x ON x.account_id = o.account_id AND x.code = o.code AND x.first_at = o.first_at AND x.last_at = o.last_at
),
told AS (  -- what nobody approved; where all of it was approved later, that
    SELECT *, bool_or(leave_ = 'no') OVER (PARTITION BY account_id, code) AS open FROM excused WHERE leave_ <> 'yes'
),
-- What cannot be said: of one point of a post, as a subject of its own, for the others are measured.
heard_of AS (SELECT DISTINCT w.system_id FROM facts f JOIN owned w ON w.source = f.source WHERE f.last_at > $at - INTERVAL 30 DAY),
scope AS (
    SELECT account_id, bool_or(functions IS NULL) AS no_functions, bool_or(areas IS NULL) AS no_areas, bool_or(opens IS NULL) AS no_hours,
           bool_or(functions IS NOT NULL) AS functions, bool_or(areas IS NOT NULL) AS areas
    FROM post WHERE valid_from <= $at AND $at < valid_to GROUP BY account_id
),
untold AS (
    SELECT DISTINCT a.account_id FROM recent a JOIN scope s ON s.account_id = a.account_id
    WHERE (a.function IS NULL AND s.functions) OR (a.area IS NULL AND s.areas)
),
newest AS (SELECT account_id, arg_max(known, day) AS known FROM weighed GROUP BY account_id),
watch AS (
    SELECT h.*, s.no_functions, s.no_areas, s.no_hours,
           CASE WHEN s.account_id IS NULL THEN 'user_without_post' WHEN s.no_functions OR s.no_areas OR s.no_hours THEN 'post_without_scope'
                WHEN t.account_id IS NOT NULL THEN 'act_without_scope' WHEN n.known IS FALSE THEN 'volume_without_norm' END AS lacks
    FROM holder h SEMI JOIN heard_of k ON k.system_id = h.system_id
    LEFT JOIN scope s ON s.account_id = h.account_id LEFT JOIN untold t ON t.account_id = h.account_id
    LEFT JOIN newest n ON n.account_id = h.account_id WHERE h.live
)
SELECT 'subject' AS kind, 'account:' || system_code || '/' || account AS key, system_name || ' ' || account AS label, unit, person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM watch WHERE lacks IS DISTINCT FROM 'user_without_post'
UNION ALL
SELECT CASE WHEN any_value(t.open) THEN 'breach' ELSE 'regularized' END, 'account:' || h.system_code || '/' || h.account,
       any_value(h.system_name) || ' ' || h.account, any_value(h.unit), any_value(h.person), t.code,
       to_json({
           'person': any_value(h.person_name), 'account': h.account, 'system': any_value(h.system_name), 'function': arg_max(t.function, t.last_at),
           'area': arg_max(t.area, t.last_at), 'at': strftime(max(t.last_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'),
           'day': strftime(max(t.last_at) + INTERVAL 8 HOUR, '%Y-%m-%d'), 'records': CAST(arg_max(t.records, t.last_at) AS BIGINT),
           'most': CAST(round(arg_max(t.most, t.last_at), 1) AS VARCHAR), 'factor': CAST($bulk_factor AS VARCHAR),
           'days': CAST($baseline_days AS INTEGER)
       }),
       list_concat(
           list_distinct(list(t.line ORDER BY t.last_at DESC))[1:16],
           coalesce(list_distinct(flatten(list(t.posts) FILTER (t.posts IS NOT NULL))), []),
           coalesce(list_distinct(flatten(list(t.papers) FILTER (t.papers IS NOT NULL))), [])
       ), min(t.first_at), t.code
FROM told t JOIN holder h ON h.account_id = t.account_id WHERE t.leave_ = 'no' OR NOT t.open GROUP BY h.system_code, h.account, t.code
UNION ALL
SELECT 'unknown', CASE WHEN lacks = 'user_without_post' THEN 'account:' ELSE 'post:' END || system_code || '/' || account, system_name || ' ' || account, unit, person, lacks,
       to_json({
           'person': person_name, 'system': system_name, 'days': CAST($baseline_days AS INTEGER), 'missing': {
               'zh': concat_ws('、', CASE WHEN no_functions THEN '办理业务' END, CASE WHEN no_areas THEN '办理辖区' END, CASE WHEN no_hours THEN '办理时段' END),
               'en': concat_ws(', ', CASE WHEN no_functions THEN 'functions' END, CASE WHEN no_areas THEN 'jurisdiction' END,
                               CASE WHEN no_hours THEN 'hours' END)
           }
       }), NULL, NULL, ''
FROM watch WHERE lacks IS NOT NULL
UNION ALL
SELECT 'unknown', 'system:' || s.code, s.name, u.code, NULL, 'application_not_told', to_json({'system': s.name}), NULL, NULL, ''
FROM system s JOIN unit u ON u.id = s.managing_unit_id WHERE s.state = 'in_service' AND s.id NOT IN (SELECT system_id FROM heard_of)
ORDER BY ALL
