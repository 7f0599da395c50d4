"""What PostgreSQL does in one statement for us: allocate one block. A round trip costs it more than the work.

`allocate_one` does what the service's general way does where nothing is to be decided but which block: store.single
says when it may be asked, and the tests hold the two against each other. It changes all or nothing, and leaves the
last word on overlap, on owners and on a repeated request id to the constraints.
"""

from __future__ import annotations

PREFIX_TEXT = r"""
CREATE FUNCTION prefix_text(family bigint, first bytea, length bigint) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE family
        WHEN 4 THEN get_byte(first, 10) || '.' || get_byte(first, 11) || '.' || get_byte(first, 12)
            || '.' || get_byte(first, 13)
        ELSE host(rtrim(regexp_replace(encode(first, 'hex'), '(....)', '\1:', 'g'), ':')::inet)
    END || '/' || length
$$
"""
"""A prefix of whole addresses as addressing.prefix writes it; not for IPv6 addresses below 2**48, which
PostgreSQL writes with an IPv4 address at their end."""

ALLOCATE_ONE = r"""
CREATE FUNCTION allocate_one(
    -- The configuration that the rest was read at, and the time (null: by the database's clock).
    at_revision bigint, at_time bigint,
    -- Who asks for what, in words too.
    by_actor text, by_request text, by_digest bytea, keep_for bigint, by_reason text, words text,
    -- The pool, the block's length and columns, and its members.
    of_pool bigint, of_space bigint, is_public bigint, of_family bigint, of_length bigint,
    for_device_pool bigint, for_owner bigint, member_devices bigint[], member_roles text[],
    -- What of the answer is known, as JSON without its braces.
    known text
    -- Returns the answer as JSON; or `stale`, look again in a transaction of several statements; or `none`, this
    -- pool has no room.
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    now bigint := COALESCE(at_time, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
    width CONSTANT int := CASE of_family WHEN 4 THEN 48 ELSE 128 END;
    host_bits CONSTANT int := width - of_length;
    -- The byte of a key in which the host bits begin.
    edge CONSTANT int := 15 - host_bits / 8;
    taken record;
    last_key bytea;
    number bigint;
    prefix text;
    answer text;
BEGIN
    LOCK TABLE allocation_gate IN ROW SHARE MODE;
    PERFORM 1 FROM store WHERE config_revision = at_revision
        AND NOT EXISTS (SELECT 1 FROM block WHERE rest_until IS NOT NULL AND rest_until <= now)
        AND NOT EXISTS (SELECT 1 FROM block
            WHERE expires_at IS NOT NULL AND wanted != 'absent' AND expires_at <= now);
    IF NOT FOUND THEN
        RETURN 'stale';
    END IF;

    LOOP
        DELETE FROM free_block WHERE ctid = (
            SELECT ctid FROM free_block WHERE pool_id = of_pool AND tenant = 0 AND free_block.length <= of_length
            ORDER BY free_block.length DESC, first LIMIT 1 FOR UPDATE SKIP LOCKED
        ) RETURNING free_block.length, first INTO taken;
        EXIT WHEN FOUND;
        -- Skipping may miss the only row there is: who finds nothing waits for it, and looks again.
        PERFORM 1 FROM free_block WHERE pool_id = of_pool AND tenant = 0 AND free_block.length <= of_length LIMIT 1;
        IF NOT FOUND THEN
            RETURN 'none';
        END IF;
        PERFORM 1 FROM free_block WHERE pool_id = of_pool AND tenant = 0 AND free_block.length <= of_length
            ORDER BY free_block.length DESC, first LIMIT 1 FOR UPDATE;
    END LOOP;
    IF taken.length < of_length THEN
        -- What is left when the block is cut from its beginning: a prefix of each length between.
        INSERT INTO free_block (pool_id, tenant, length, first)
        SELECT of_pool, 0, bits, set_bit(taken.first, bit / 8 * 8 + 7 - bit % 8, 1)
        FROM generate_series(taken.length + 1, of_length) AS bits, LATERAL (SELECT 127 - width + bits) AS at (bit);
    END IF;

    last_key := set_byte(taken.first, edge, get_byte(taken.first, edge) | ((1 << host_bits % 8) - 1));
    last_key := substr(last_key, 1, edge + 1) || decode(repeat('ff', 15 - edge), 'hex');
    INSERT INTO block (pool_id, space_id, public, family, first, last, length, device_pool_id, owner_id,
        wanted, state, allocated_at, changed_at)
    VALUES (of_pool, of_space, is_public, of_family, taken.first, last_key, of_length, for_device_pool, for_owner,
        'present', 'reserved', now, now)
    RETURNING id INTO number;
    INSERT INTO block_member (block_id, device_id, role, since)
    SELECT number, member.device, member.role, now FROM unnest(member_devices, member_roles) AS member (device, role);
    INSERT INTO block_count (pool_id, state, length, stripe, blocks)
    VALUES (of_pool, 'reserved', of_length, pg_backend_pid() % 64, 1)
    ON CONFLICT (pool_id, state, length, stripe) DO UPDATE SET blocks = block_count.blocks + 1;

    prefix := prefix_text(of_family, taken.first, of_length);
    INSERT INTO event (at, actor, request_id, verb, subject_kind, subject_id, subject, source, target, reason)
    VALUES (now, by_actor, by_request, 'allocate', 'block', number, 'b' || number || ' ' || prefix,
            'free', 'reserved', by_reason),
        (now, by_actor, by_request, 'allocate', 'device-pool', for_device_pool, words, NULL, NULL, by_reason);
    answer := '{"block":[{"id":"b' || number || '","prefix":"' || prefix || '",' || known || ',"since":"'
        || to_char(timestamp 'epoch' + now * interval '1 microsecond', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"}]}';
    -- Where the request id is taken this fails, and nothing was done.
    INSERT INTO request (actor, request_id, verb, digest, answer, at, kept_until)
    VALUES (by_actor, by_request, 'allocate', by_digest, answer, now, now + keep_for);
    RETURN answer;
END $$
"""

FUNCTIONS = (PREFIX_TEXT, ALLOCATE_ONE)
