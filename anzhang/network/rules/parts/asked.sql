-- Who asked whom on which port, by flows that were not refused; `back` is how many bytes came back, NULL where nobody told. A record from a
-- port below 32768 to one above it, with nothing told of the other direction, is the answer half of a session (NetFlow): it is turned round.
SELECT timestamp AS at_, line, CAST(timestamp + INTERVAL 8 HOUR AS DATE) AS day, lower(protocol) AS protocol,
       CASE WHEN is_reply THEN destination_ip ELSE source_ip END AS asker, CASE WHEN is_reply THEN source_ip ELSE destination_ip END AS asked,
       CASE WHEN is_reply THEN source_port ELSE destination_port END AS port, CASE WHEN is_reply THEN bytes_out ELSE bytes_in END AS back,
       CASE WHEN nat_port < 32768 AND NOT is_reply THEN nat_ip END AS behind
FROM (
    SELECT *, coalesce(source_port < 32768 AND destination_port >= 32768 AND coalesce(bytes_in, 0) = 0, false) AS is_reply
    FROM flow_event WHERE event_outcome IS DISTINCT FROM 'failure' AND source_ip IS NOT NULL AND destination_ip IS NOT NULL
)
