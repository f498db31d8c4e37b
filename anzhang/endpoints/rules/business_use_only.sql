/* +++
name = "business_use_only"
title = "Business computers run listed programs and visit listed sites"
streams = ["process_event", "dns_event", "sighting_event"]
registers = ["endpoint", "device", "interface", "zone", "software_baseline", "unit", "person"]
parameters = ["off_task_hits"]
window_days = 3
mode = "append"
+++ */
-- Programs started on a host by the day, names asked of a resolver by the hour, and who held which address by the hour.
SELECT kind, host, ip, mac, name, slot, min(at_) AS first_at, max(at_) AS last_at, count(*) AS times,
       arg_min(line, at_) AS first_line, arg_max(line, at_) AS last_line
FROM (
    SELECT 'program' AS kind, timestamp AS at_, line, lower(host_name) AS host, NULL AS ip, NULL AS mac,
           lower(replace(coalesce(executable, process_name), '\', '/')) AS name, date_trunc('day', timestamp + INTERVAL 8 HOUR) AS slot
    FROM process_event WHERE event_action = 'started' AND coalesce(event_outcome, '') <> 'failure' AND coalesce(executable, process_name) <> ''
    UNION ALL
    SELECT 'site', timestamp, line, NULL, source_ip, NULL, lower(rtrim(question_name, '.')), date_trunc('hour', timestamp)
    FROM dns_event
    WHERE source_ip IS NOT NULL AND contains(rtrim(question_name, '.'), '.') AND NOT ends_with(lower(rtrim(question_name, '.')), '.arpa')
      AND NOT starts_with(question_name, '_') AND coalesce(upper(question_type), 'A') IN ('A', 'AAAA', 'HTTPS', 'CNAME')
    UNION ALL
    SELECT 'held', timestamp, line, NULL, source_ip, source_mac, NULL, date_trunc('hour', timestamp)
    FROM sighting_event WHERE source_mac IS NOT NULL AND source_ip IS NOT NULL
)
GROUP BY kind, host, ip, mac, name, slot;

-- Art. 14, obligation A14.3. A business computer is an endpoint of a business network. Programs are its own by the host name that its lines
-- bear, questions to the resolver by a fixed address or by who held the address then; where two held it in turns nobody can say, and it is
-- nobody's. A program is listed by its path or file name, a site by its name or one above it; * at the end stands for what follows. A class
-- whose list names no file is a list of installed software only, and says nothing of what may run. Days are Beijing's; of two days ago
-- nothing is said any more.
WITH
seat AS (
    SELECT e.id, e.code, e.name, e.endpoint_class, e.device_id, e.mac, e.hosts, u.code AS unit, p.code AS person, p.name AS person_name
    FROM endpoint e JOIN zone z ON z.id = e.zone_id AND z.kind = 'business' JOIN unit u ON u.id = e.unit_id JOIN person p ON p.id = e.person_id
    WHERE e.state = 'in_service'
),
named AS (
    SELECT id, lower(unnest(from_json(hosts, '["VARCHAR"]'))) AS host FROM seat
    UNION
    SELECT s.id, lower(unnest(from_json(d.hosts, '["VARCHAR"]'))) FROM seat s JOIN device d ON d.id = s.device_id
),
card AS (
    SELECT id, mac FROM seat WHERE mac <> ''
    UNION SELECT s.id, i.mac FROM seat s JOIN interface i ON i.device_id = s.device_id WHERE i.mac <> ''
),
fixed AS (SELECT device_id, unnest(from_json(addresses, '["VARCHAR"]')) AS ip FROM interface),
asked AS (SELECT * FROM facts WHERE kind = 'site'),
held AS (SELECT mac, ip, first_at, last_at FROM facts WHERE kind = 'held'),
-- Who was seen with an address last before it first asked in an hour; where another was seen with it from then to its last question, nobody
-- can say who asked. Looked up once for each hour of an address.
spell AS (
    SELECT ip, slot, min(first_at) AS first_at, max(last_at) AS last_at FROM asked WHERE ip NOT IN (SELECT ip FROM fixed) GROUP BY ip, slot
),
taken AS (
    SELECT c.ip, c.slot, any_value(c.first_at) AS first_at, any_value(c.last_at) AS last_at,
           arg_max(h.mac, least(h.last_at, c.first_at)) AS mac
    FROM spell c JOIN held h ON h.ip = c.ip AND h.first_at <= c.first_at AND h.last_at >= c.first_at - INTERVAL 24 HOUR GROUP BY c.ip, c.slot
),
holder AS (
    SELECT ip, slot, mac, EXISTS (
        SELECT 1 FROM held h WHERE h.ip = t.ip AND h.mac <> t.mac AND h.first_at <= t.last_at AND h.last_at >= t.first_at
    ) AS doubtful
    FROM taken t
),
place AS (  -- whose an address was in an hour
    SELECT DISTINCT s.id, c.ip, c.slot FROM (SELECT DISTINCT ip, slot FROM asked) c JOIN fixed f ON f.ip = c.ip JOIN seat s ON s.device_id = f.device_id
    UNION
    SELECT k.id, h.ip, h.slot FROM holder h JOIN card k ON k.mac = h.mac WHERE NOT h.doubtful
),
used AS (
    SELECT n.id, f.kind, f.name, CAST(f.slot AS DATE) AS day, f.first_at, f.last_at, f.times, f.last_line
    FROM facts f JOIN named n ON n.host = f.host WHERE f.kind = 'program'
    UNION ALL
    SELECT p.id, a.kind, a.name, CAST(a.slot + INTERVAL 8 HOUR AS DATE), a.first_at, a.last_at, a.times, a.last_line
    FROM asked a JOIN place p ON p.ip = a.ip AND p.slot = a.slot
),
line AS (
    SELECT endpoint_class, kind, ends_with(name, '*') AS open,
           CASE WHEN kind = 'site' THEN regexp_replace(rtrim(lower(name), '*.'), '^[*]?[.]', '') ELSE rtrim(replace(lower(name), '\', '/'), '*') END AS name,
           contains(name, '/') OR contains(name, '\') OR regexp_matches(lower(name), '[.](exe|com|bat|ps1|jar|sh|msi)[*]?$') AS of_file
    FROM software_baseline
),
listed AS (  -- of which classes the list says what may run, and where one may go
    SELECT endpoint_class, bool_or(kind = 'program' AND of_file) AS programs, bool_or(kind = 'site') AS sites FROM line GROUP BY endpoint_class
),
asked_for AS (
    SELECT DISTINCT s.endpoint_class, u.kind, u.name, regexp_extract(u.name, '[^/]*$') AS file
    FROM used u JOIN seat s ON s.id = u.id JOIN listed l ON l.endpoint_class = s.endpoint_class
    WHERE CASE WHEN u.kind = 'program' THEN l.programs ELSE l.sites END
),
outside AS (
    SELECT a.endpoint_class, a.kind, a.name FROM asked_for a
    WHERE NOT EXISTS (
        SELECT 1 FROM line l WHERE l.endpoint_class = a.endpoint_class AND l.kind = a.kind AND CASE
            WHEN l.kind = 'site' THEN a.name = l.name OR ends_with(a.name, '.' || l.name) OR (l.open AND starts_with(a.name, l.name))
            WHEN l.open THEN starts_with(a.name, l.name) OR starts_with(a.file, l.name)
            ELSE a.name = l.name OR a.file = l.name OR a.file = l.name || '.exe' END
    )
),
off AS (
    SELECT s.id, u.day, sum(u.times) AS times, min(u.first_at) AS first_at, max(u.last_at) AS last_at,
           list_distinct(list(u.last_line ORDER BY u.last_at DESC))[1:20] AS lines,
           array_to_string(list_distinct(list(regexp_extract(u.name, '[^/]*$') ORDER BY u.times DESC, u.name))[1:3], '、') AS names
    FROM used u JOIN seat s ON s.id = u.id JOIN outside o ON o.endpoint_class = s.endpoint_class AND o.kind = u.kind AND o.name = u.name
    WHERE u.day >= CAST($at + INTERVAL 8 HOUR AS DATE) - 1 GROUP BY s.id, u.day HAVING sum(u.times) >= $off_task_hits
),
told AS (
    SELECT id, bool_or(kind = 'program') AS programs, bool_or(kind = 'site') AS sites FROM used WHERE last_at > $at - INTERVAL 1 DAY GROUP BY id
),
watch AS (
    SELECT s.*, CASE WHEN s.endpoint_class = '' THEN 'endpoint_without_class'
                     WHEN l.programs IS NOT TRUE OR l.sites IS NOT TRUE THEN 'class_without_list'
                     WHEN t.programs IS NOT TRUE THEN 'programs_not_told' WHEN t.sites IS NOT TRUE THEN 'sites_not_told' END AS lacks
    FROM seat s LEFT JOIN listed l ON l.endpoint_class = s.endpoint_class LEFT JOIN told t ON t.id = s.id
)
SELECT 'subject' AS kind, 'endpoint:' || code AS key, name AS label, unit, person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM watch WHERE lacks IS NULL
UNION ALL
SELECT 'breach', 'endpoint:' || s.code, any_value(s.name), any_value(s.unit), any_value(s.person), 'endpoint_off_task',
       to_json({
           'endpoint': any_value(s.name), 'day': strftime(max(o.day), '%Y-%m-%d'), 'times': CAST(arg_max(o.times, o.day) AS BIGINT),
           'names': arg_max(o.names, o.day), 'list': any_value(s.endpoint_class)
       }),
       arg_max(o.lines, o.day), min(o.first_at), 'off_task'
FROM off o JOIN seat s ON s.id = o.id GROUP BY s.code
UNION ALL
SELECT 'unknown', 'endpoint:' || code, name, unit, person, lacks, to_json({'endpoint': name, 'list': endpoint_class}), NULL, NULL, ''
FROM watch WHERE lacks IS NOT NULL
UNION ALL
SELECT 'unknown', '', '', NULL, NULL, 'no_business_computers', NULL, NULL, NULL, '' WHERE (SELECT count(*) FROM seat) = 0
ORDER BY ALL
