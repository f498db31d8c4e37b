-- Given `address(ip, k)`: the zone of the bureau's own in which each lies, the narrowest network first; an address of the internet is one
-- in no such zone. What is neither (a partner's private address) has no kind.
own_zone AS (
    SELECT z.id, z.code, z.name, z.kind, u.code AS unit FROM zone z JOIN unit u ON u.id = z.unit_id WHERE z.kind <> 'internet'
),
spot AS (
    SELECT a.ip, first(z.id ORDER BY n.first DESC, n.last, z.id) AS zone_id
    FROM address a JOIN zone_network n ON a.k BETWEEN n.first AND n.last JOIN own_zone z ON z.id = n.zone_id GROUP BY a.ip
),
placed AS (
    SELECT a.ip, s.zone_id, coalesce(z.kind, CASE WHEN is_public(a.ip) THEN 'internet' END) AS kind
    FROM address a LEFT JOIN spot s ON s.ip = a.ip LEFT JOIN own_zone z ON z.id = s.zone_id
),
