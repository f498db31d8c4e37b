/* +++
name = "rooms_in_range"
title = "Temperature, humidity and power of every machine room stay in range, nothing leaks, no sensor goes silent"
streams = ["sensor_event"]
registers = ["machine_room", "unit", "assignment", "person"]
parameters = ["temperature_celsius", "humidity_percent", "sensor_silence_minutes"]
window_days = 1
+++ */
-- Art. 16, obligation A16.7. A reading at the limit is in range. A sensor is silent once the limit has passed without a reading, between
-- two readings or since the last; one that the register names and that says nothing is silent from the beginning of the window on.
-- What was out of range stays a finding for the window. A room of which no sensor said anything is unknown, and so is one that has no
-- reading of temperature, of humidity or of power: what nobody measures is not in range.
WITH
room AS (
    SELECT r.id, r.code, r.name, u.code AS unit, r.sensors,
           (SELECT first(p.code ORDER BY a.valid_from, a.id) FROM assignment a JOIN person p ON p.id = a.person_id
            WHERE a.room_id = r.id AND a.duty = 'room_keeper' AND a.superseded_at IS NULL AND a.valid_from <= $at
              AND (a.valid_to IS NULL OR a.valid_to > $at)) AS person, r.aliases
    FROM machine_room r JOIN unit u ON u.id = r.unit_id WHERE r.state = 'in_service'
),
called AS (
    SELECT id AS room_id, lower(trim(code)) AS called FROM room UNION SELECT id, lower(trim(name)) FROM room
    UNION SELECT id, lower(trim(unnest(from_json(aliases, '["VARCHAR"]')))) FROM room
),
reading AS (
    SELECT DISTINCT c.room_id, coalesce(e.sensor, '') AS sensor, e.timestamp, e.segment, e.seq, e.value, e.unit AS measured_in,
           e.event_outcome, lower(coalesce(e.state, '')) AS state, lower(trim(coalesce(e.quantity, ''))) AS quantity
    FROM sensor_event e JOIN called c ON c.called = lower(trim(e.room))
),
kind AS (
    SELECT *, 'line:' || segment || ':' || seq AS line,
           CASE WHEN quantity IN ('temperature', 'temp', '温度') THEN 'temperature'
                WHEN quantity IN ('humidity', 'rh', '湿度') THEN 'humidity'
                WHEN quantity IN ('power', 'mains', 'utility', 'supply', 'ups', '供电', '市电', '电源') THEN 'power'
                WHEN quantity IN ('leak', 'water', 'water_leak', '漏水', '水浸') THEN 'leak' END AS measured,
           CASE WHEN lower(coalesce(measured_in, '')) IN ('f', '°f', '℉', 'fahrenheit') THEN (value - 32) * 5 / 9 ELSE value END AS metric
    FROM reading
),
offence AS (
    SELECT room_id, sensor, timestamp, line, metric,
           CASE WHEN measured = 'temperature' AND metric < $temperature_celsius[1] THEN 'room_too_cold'
                WHEN measured = 'temperature' AND metric > $temperature_celsius[2] THEN 'room_too_hot'
                WHEN measured = 'humidity' AND metric < $humidity_percent[1] THEN 'room_too_dry'
                WHEN measured = 'humidity' AND metric > $humidity_percent[2] THEN 'room_too_humid'
                WHEN measured = 'power' AND (event_outcome = 'failure' OR metric = 0 OR state IN ('off', 'lost', 'loss', '断电', '停电'))
                     THEN 'room_power_lost'
                WHEN measured = 'leak' AND (event_outcome = 'failure' OR metric > 0) THEN 'room_leak' END AS code
    FROM kind
),
wrong AS (SELECT * FROM offence WHERE code IS NOT NULL),
worst AS (
    SELECT room_id, sensor, code, count(*) AS times, max(timestamp) AS last_at, min(timestamp) AS since,
           CASE WHEN code IN ('room_too_cold', 'room_too_dry') THEN min(metric) ELSE max(metric) END AS value,
           list(line ORDER BY timestamp DESC)[1:20] AS evidence
    FROM wrong GROUP BY room_id, sensor, code
),
-- Each reading, and the instant of the check as the last, with how long nothing came before it.
beat AS (
    SELECT room_id, sensor, timestamp, line, FALSE AS is_now FROM kind
    UNION ALL SELECT room_id, sensor, $at, NULL, TRUE FROM kind GROUP BY room_id, sensor
),
pause AS (
    SELECT *, lag(timestamp) OVER (PARTITION BY room_id, sensor ORDER BY timestamp, is_now) AS before_at,
           lag(line) OVER (PARTITION BY room_id, sensor ORDER BY timestamp, is_now) AS before_line
    FROM beat
),
silence AS (
    SELECT room_id, sensor, min(before_at) AS since, max(before_at) AS last_at, max(epoch(timestamp - before_at)) AS seconds, count(*) AS times,
           bool_or(is_now) AS lasts, list_distinct(list(before_line ORDER BY before_at DESC) [1:20]) AS evidence
    FROM pause WHERE before_at IS NOT NULL AND timestamp - before_at >= to_minutes(CAST($sensor_silence_minutes AS BIGINT))
    GROUP BY room_id, sensor
    UNION ALL
    SELECT r.id, s.sensor, $since, $since, epoch($at - $since), 1, TRUE, NULL
    FROM room r, unnest(from_json(r.sensors, '["VARCHAR"]')) AS s(sensor)
    WHERE EXISTS (SELECT 1 FROM kind k WHERE k.room_id = r.id)
      AND NOT EXISTS (SELECT 1 FROM kind k WHERE k.room_id = r.id AND lower(k.sensor) = lower(s.sensor))
),
asked AS (
    SELECT r.*, (SELECT count(*) FROM kind k WHERE k.room_id = r.id) AS readings,
           (SELECT list(DISTINCT k.measured) FROM kind k WHERE k.room_id = r.id AND k.measured IS NOT NULL) AS measured
    FROM room r
)
SELECT 'subject' AS kind, 'machine_room:' || code AS key, name AS label, unit, person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM asked WHERE readings > 0
UNION ALL
SELECT 'breach', 'machine_room:' || r.code, r.name, r.unit, r.person, w.code,
       to_json({
           'room': r.name, 'sensor': w.sensor, 'value': CAST(round(w.value, 1) AS VARCHAR), 'times': w.times,
           'low': CASE WHEN w.code IN ('room_too_cold', 'room_too_hot') THEN $temperature_celsius[1] ELSE $humidity_percent[1] END,
           'high': CASE WHEN w.code IN ('room_too_cold', 'room_too_hot') THEN $temperature_celsius[2] ELSE $humidity_percent[2] END,
           'at': strftime(w.last_at + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M')
       }),
       w.evidence, w.since, w.code || ':' || w.sensor
FROM worst w JOIN room r ON r.id = w.room_id
UNION ALL
SELECT 'breach', 'machine_room:' || r.code, r.name, r.unit, r.person, CASE WHEN s.lasts THEN 'sensor_silent' ELSE 'sensor_was_silent' END,
       to_json({
           'room': r.name, 'sensor': s.sensor, 'minutes': CAST(floor(s.seconds / 60) AS BIGINT), 'times': s.times,
           'limit': CAST($sensor_silence_minutes AS BIGINT), 'at': strftime(s.last_at + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M')
       }),
       s.evidence, s.since, 'silent:' || s.sensor
FROM silence s JOIN room r ON r.id = s.room_id
UNION ALL
SELECT 'unknown', 'machine_room:' || code, name, unit, person, 'room_sensors_silent', to_json({'room': name}), NULL, NULL, ''
FROM asked WHERE readings = 0
UNION ALL
SELECT 'unknown', 'machine_room:' || code, name, unit, person, 'room_not_measured',
       to_json({'room': name, 'missing': string_agg(word, '、' ORDER BY word)}), NULL, NULL, ''
FROM asked, (VALUES ('temperature', '温度'), ('humidity', '湿度'), ('power', '供电')) AS owed(measured_as, word)
WHERE readings > 0 AND NOT list_contains(coalesce(measured, []), measured_as) GROUP BY code, name, unit, person
UNION ALL
SELECT 'unknown', '', '', NULL, NULL, 'no_rooms', NULL, NULL, NULL, '' WHERE (SELECT count(*) FROM room) = 0
ORDER BY ALL
