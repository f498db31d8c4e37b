/* +++
name = "identities_known"
title = "Whoever logs in is somebody the registers know"
streams = ["auth_event"]
registers = ["account", "person", "provider", "unit", "system", "log_source"]
parameters = ["unknown_identity_hours"]
window_days = 30
+++ */
-- Art. 3, obligation A03.2. Subjects are the identities (system or source, name) seen logging in. An identity is known at a
-- log-in when an account of that system is held by a person who was here on that day, outside people through a body that
-- was here too. It stops being a breach when the registers know it now, or when its log-ins have left the window.
-- Ends of sessions are no log-ins. Beijing days are UTC + 8 h.
WITH
holder AS (
    SELECT c.system_id, c.name AS account, c.state, c.closed_on, p.name AS person, p.joined_on,
           least(coalesce(p.left_on, DATE '9999-12-31'), coalesce(b.ended_on, DATE '9999-12-31')) AS gone_on
    FROM account c JOIN person p ON p.id = c.person_id LEFT JOIN provider b ON b.id = p.provider_id
),
login AS (
    SELECT coalesce('system/' || s.code, 'source/' || o.code) || '/' || e.user_name AS identity,
           coalesce(s.name, o.name) || ' ' || e.user_name AS label,
           coalesce(su.code, ou.code) AS unit, coalesce(s.name, o.name) AS place, e.user_name AS account, o.system_id,
           e.timestamp AS acted_at, CAST(e.timestamp + INTERVAL 8 HOUR AS DATE) AS day, 'line:' || e.segment || ':' || e.seq AS line
    FROM auth_event e
    JOIN log_source o ON o.code = e.source
    JOIN unit ou ON ou.id = o.unit_id
    LEFT JOIN system s ON s.id = o.system_id
    LEFT JOIN unit su ON su.id = s.managing_unit_id
    WHERE e.event_outcome = 'success' AND e.event_action NOT IN ('log-off', 'session-closed') AND e.user_name <> ''
),
strange AS (
    SELECT l.* FROM login l
    WHERE NOT EXISTS (
        SELECT 1 FROM holder h
        WHERE h.system_id = l.system_id AND h.account = l.account AND h.joined_on <= l.day AND l.day < h.gone_on
    ) AND NOT EXISTS (
        SELECT 1 FROM holder h
        WHERE h.system_id = l.system_id AND h.account = l.account AND h.state = 'open'
          AND CAST($at + INTERVAL 8 HOUR AS DATE) < h.gone_on
    ) AND NOT EXISTS (
        -- Closed on or after that day: nobody can use it any more.
        SELECT 1 FROM holder h
        WHERE h.system_id = l.system_id AND h.account = l.account AND h.state = 'closed' AND h.closed_on >= l.day
    )
)
SELECT 'subject' AS kind, 'identity:' || identity AS key, any_value(label) AS label, any_value(unit) AS unit, NULL AS person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM login GROUP BY identity
UNION ALL
SELECT 'breach', 'identity:' || identity, any_value(label), any_value(unit), NULL, 'identity_unknown',
       to_json({
           'place': any_value(place), 'account': any_value(account), 'count': count(*),
           'at': strftime(min(acted_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'), 'hours': CAST($unknown_identity_hours AS INTEGER)
       }),
       list(line ORDER BY acted_at DESC)[1:20], min(acted_at), ''
FROM strange GROUP BY identity
HAVING min(acted_at) < $at - to_hours(CAST($unknown_identity_hours AS BIGINT))
ORDER BY ALL
