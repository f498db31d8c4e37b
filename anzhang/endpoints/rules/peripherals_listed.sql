/* +++
name = "peripherals_listed"
title = "Only listed peripherals and network adapters are attached to endpoints"
streams = ["peripheral_event"]
registers = ["endpoint", "device", "peripheral", "unit", "person"]
parameters = []
window_days = 1
+++ */
-- Art. 14, obligation A14.7. An endpoint is known by the host name its own lines bear. A line names a peripheral by maker and product, and
-- some by serial number: one that names none is let pass where any listed peripheral of that make may be attached there. A network
-- adapter is found whether or not a line says what it is made by. What was not attached for a whole day is gone.
WITH
known AS (
    SELECT e.id, e.code, e.name, e.unit_id, u.code AS unit, p.code AS person, lower(unnest(from_json(e.hosts, '["VARCHAR"]'))) AS host
    FROM endpoint e JOIN unit u ON u.id = e.unit_id JOIN person p ON p.id = e.person_id WHERE e.state = 'in_service'
    UNION
    SELECT e.id, e.code, e.name, e.unit_id, u.code, p.code, lower(unnest(from_json(d.hosts, '["VARCHAR"]')))
    FROM endpoint e JOIN device d ON d.id = e.device_id JOIN unit u ON u.id = e.unit_id JOIN person p ON p.id = e.person_id
    WHERE e.state = 'in_service'
),
arrival AS (
    SELECT k.*, v.timestamp, lower(v.vendor_id) AS vendor_id, lower(v.product_id) AS product_id, v.serial,
           coalesce(v.device_name, v.device_kind, '') AS device_name, 'line:' || v.segment || ':' || v.seq AS line,
           coalesce(v.device_kind, '') ILIKE 'net%' OR coalesce(v.device_kind, '') ILIKE '%network%' OR coalesce(v.device_kind, '') = 'WIFI'
               AS is_network
    FROM peripheral_event v JOIN known k ON k.host = lower(v.host_name)
    WHERE v.event_action NOT IN ('detached', 'unmounted', 'service') AND coalesce(v.event_outcome, '') <> 'failure'
),
foreign_one AS (
    SELECT a.* FROM arrival a
    WHERE (a.is_network OR regexp_matches(coalesce(a.vendor_id, ''), '^[0-9a-f]{4}$'))
      AND NOT EXISTS (
          SELECT 1 FROM peripheral l
          WHERE l.vendor_id = a.vendor_id AND l.product_id = a.product_id AND (l.serial = '' OR a.serial IS NULL OR l.serial = a.serial)
            AND (l.endpoint_id = a.id OR (l.endpoint_id IS NULL AND l.unit_id = a.unit_id))
            AND (l.ended_on IS NULL OR CAST(l.ended_on AS TIMESTAMP) - INTERVAL 8 HOUR > a.timestamp))
)
SELECT 'subject' AS kind, 'endpoint:' || code AS key, any_value(name) AS label, any_value(unit) AS unit, any_value(person) AS person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM known WHERE host IN (SELECT lower(host_name) FROM peripheral_event) GROUP BY code
UNION ALL
SELECT 'breach', 'endpoint:' || code, any_value(name), any_value(unit), any_value(person),
       CASE WHEN bool_or(is_network) THEN 'network_adapter_unlisted' ELSE 'peripheral_unlisted' END,
       to_json({
           'endpoint': any_value(name), 'at': strftime(max(timestamp) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'), 'times': count(DISTINCT line),
           'identity': concat_ws(' ', coalesce(vendor_id, '?') || ':' || coalesce(product_id, '?'), serial, any_value(device_name))
       }),
       list(DISTINCT line ORDER BY line DESC)[1:20], min(timestamp), concat_ws(':', vendor_id, product_id, serial)
FROM foreign_one GROUP BY code, vendor_id, product_id, serial
UNION ALL
SELECT 'unknown', '', '', NULL, NULL, 'no_endpoints', NULL, NULL, NULL, '' WHERE (SELECT count(*) FROM endpoint) = 0
ORDER BY ALL
