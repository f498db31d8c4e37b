/* +++
name = "staff_logins_entitled"
title = "Every successful log-in is by a person in post, trained and not gone"
streams = ["auth_event"]
registers = ["account", "person", "assignment", "training_record", "unit", "system", "log_source"]
parameters = ["staff_duties", "leaver_hours", "training_days"]
window_days = 30
+++ */
-- Art. 5, obligation A05.2. Subjects are the accounts seen logging in; a log-in is judged by the registers at its own
-- minute. It stops counting when its cause is gone: the account closed on or after that day, the post or the training there.
-- Ends of sessions are no log-ins.
-- Beijing days are UTC + 8 h (no daylight saving since 1991), so no time zone extension is needed.
WITH
holder AS (
    SELECT c.id AS account_id, c.system_id, c.name AS account, c.state AS account_state, c.closed_on,
           s.code AS system_code, s.name AS system_name, s.state AS system_state,
           p.id AS person_id, p.name AS person, u.code AS unit, u.name AS unit_name, p.left_on,
           CAST(p.left_on AS TIMESTAMP) - INTERVAL 8 HOUR AS left_at
    FROM account c
    JOIN system s ON s.id = c.system_id
    JOIN person p ON p.id = c.person_id
    JOIN unit u ON u.id = p.unit_id
),
login AS (
    SELECT h.*, e.timestamp AS acted_at, CAST(e.timestamp + INTERVAL 8 HOUR AS DATE) AS day,
           'line:' || e.segment || ':' || e.seq AS line
    FROM auth_event e
    JOIN log_source o ON o.code = e.source
    JOIN holder h ON h.system_id = o.system_id AND h.account = e.user_name
    WHERE e.event_outcome = 'success' AND e.event_action NOT IN ('log-off', 'session-closed')
),
-- Posts of the listed duties that are still believed, as [valid_from, valid_to).
post AS (
    SELECT person_id, system_id, valid_from, coalesce(valid_to, TIMESTAMP '9999-12-31') AS valid_to
    FROM assignment WHERE superseded_at IS NULL AND list_contains($staff_duties, duty)
),
left_login AS (
    SELECT * FROM login WHERE left_at IS NOT NULL AND acted_at > left_at + to_hours(CAST($leaver_hours AS BIGINT))
),
postless_login AS (
    SELECT l.* FROM login l
    WHERE NOT EXISTS (
        SELECT 1 FROM post p
        WHERE p.person_id = l.person_id AND (p.system_id IS NULL OR p.system_id = l.system_id)
          AND p.valid_from <= l.acted_at AND l.acted_at < p.valid_to
    ) AND NOT EXISTS (
        SELECT 1 FROM post p
        WHERE p.person_id = l.person_id AND (p.system_id IS NULL OR p.system_id = l.system_id)
          AND p.valid_from <= $at AND $at < p.valid_to
    )
),
untrained_login AS (
    SELECT l.* FROM login l
    WHERE NOT EXISTS (
        SELECT 1 FROM training_record t
        WHERE t.person_id = l.person_id AND t.trained_on <= l.day AND t.trained_on >= l.day - CAST($training_days AS INTEGER)
    ) AND NOT EXISTS (
        SELECT 1 FROM training_record t
        WHERE t.person_id = l.person_id AND t.trained_on <= CAST($at + INTERVAL 8 HOUR AS DATE)
          AND t.trained_on >= CAST($at + INTERVAL 8 HOUR AS DATE) - CAST($training_days AS INTEGER)
    )
),
offence AS (
    SELECT 'login_after_leaving' AS code, * FROM left_login
    UNION ALL SELECT 'login_without_post', * FROM postless_login WHERE left_at IS NULL OR acted_at < left_at
    UNION ALL SELECT 'login_without_training', * FROM untrained_login WHERE left_at IS NULL OR acted_at < left_at
),
standing AS (
    SELECT * FROM offence WHERE account_state <> 'closed' OR closed_on IS NULL OR day > closed_on
),
-- The unit that answered for the person at the minute of the act: that of the post held then, else the person's own.
acted AS (
    SELECT s.*, coalesce((
        SELECT first(u.code ORDER BY a.valid_from DESC) FROM assignment a JOIN unit u ON u.id = a.unit_id
        WHERE a.person_id = s.person_id AND a.superseded_at IS NULL AND a.valid_from <= s.acted_at AND (a.valid_to IS NULL OR a.valid_to > s.acted_at)
    ), s.unit) AS unit_then
    FROM standing s
),
watch AS (
    SELECT h.unit, any_value(h.unit_name) AS unit_name, h.system_code, any_value(h.system_name) AS system_name,
           count(o.code) AS sources, count(k.source) AS talking
    FROM holder h
    LEFT JOIN log_source o ON o.system_id = h.system_id AND o.state = 'active'
    LEFT JOIN heard k ON k.source = o.code AND k.last_at >= $since
    WHERE h.account_state = 'open' AND h.system_state <> 'retired'
    GROUP BY h.unit, h.system_code
),
mute AS (
    SELECT unit, CASE WHEN bool_or(sources = 0) THEN 'system_without_source' ELSE 'system_silent' END AS code,
           string_agg(system_name, '、' ORDER BY system_code) FILTER (WHERE sources = 0 OR talking = 0) AS systems
    FROM watch GROUP BY unit HAVING bool_or(sources = 0 OR talking = 0)
),
quiet AS (
    SELECT unit, any_value(unit_name) AS unit_name FROM watch
    WHERE unit NOT IN (SELECT unit FROM mute) AND unit NOT IN (SELECT unit FROM login)
    GROUP BY unit
)
SELECT 'subject' AS kind, 'account:' || system_code || '/' || account AS key,
       any_value(system_name) || ' ' || account AS label, any_value(unit) AS unit, NULL AS person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM login GROUP BY system_code, account
UNION ALL
SELECT 'breach', 'account:' || system_code || '/' || account, any_value(system_name) || ' ' || account, unit_then, NULL,
       code,
       to_json({
           'person': any_value(person), 'account': account, 'left_on': CAST(any_value(left_on) AS VARCHAR),
           'at': strftime(max(acted_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'), 'days': CAST($training_days AS INTEGER)
       }),
       list(line ORDER BY acted_at DESC)[1:20], min(acted_at), code
FROM acted GROUP BY code, system_code, account, unit_then
UNION ALL
SELECT 'unknown', '', '', unit, NULL, code, to_json({'system': systems}), NULL, NULL, '' FROM mute
UNION ALL
SELECT 'unknown', '', '', unit, NULL, 'no_login_heard', to_json({'unit': unit_name}), NULL, NULL, '' FROM quiet
ORDER BY ALL
