-- Texts that collide in a hash whose constants are known: training on them and loading them takes no
-- longer than others. Without a secret key in the hash each statement below takes minutes.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ctr;

-- the hash of src/hash.h, as far as it is needed: 64-bit words, multiplied and folded
CREATE FUNCTION unsigned(bigint) RETURNS numeric LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE WHEN $1 < 0 THEN $1 + 18446744073709551616 ELSE $1 END $$;
CREATE FUNCTION signed(numeric) RETURNS bigint LANGUAGE sql IMMUTABLE AS
$$ SELECT (CASE WHEN $1 > 9223372036854775807 THEN $1 - 18446744073709551616 ELSE $1 END)::bigint $$;
CREATE FUNCTION fold(a bigint, b bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS
$$ SELECT signed(mod(p, 18446744073709551616)) # signed(div(p, 18446744073709551616))
   FROM (SELECT unsigned(a) * unsigned(b) AS p) x $$;
CREATE FUNCTION word(bytes bytea, place int) RETURNS bigint LANGUAGE sql IMMUTABLE AS
$$ SELECT ('x' || string_agg(lpad(to_hex(get_byte(bytes, place + i)), 2, '0'), ''
                             ORDER BY i DESC))::bit(64)::bigint FROM generate_series(0, 7) i $$;
CREATE FUNCTION hash_a() RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT x'a0761d6478bd642f'::bigint $$;
CREATE FUNCTION hash_b() RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT x'e7037ed1a0b428db'::bigint $$;
CREATE FUNCTION hash48(text) RETURNS bigint LANGUAGE sql IMMUTABLE AS -- of 48 bytes
$$ SELECT fold(fold(word(b, 32) # hash_b(),
                    word(b, 40) # fold(word(b, 16) # hash_b(),
                                       word(b, 24) # fold(word(b, 0) # hash_b(), word(b, 8) # hash_a() # 48)))
       # hash_a(), hash_b()) FROM convert_to($1, 'UTF8') b $$;

-- Sixteen letters after which the state of the hash is eight printable characters: as word 3, these make
-- any word 2 count for nothing. Of the first few thousand tried, number 4400 does.
CREATE TABLE beginning AS
WITH tried AS (
    SELECT t, fold(word(t::bytea, 0) # hash_b(), word(t::bytea, 8) # hash_a() # 48) AS state
    FROM (SELECT translate(left(md5(i::text), 16), '0123456789', 'ghijklmnop') AS t
          FROM generate_series(4390, 4410) i) x
), bytes AS (
    SELECT t, ARRAY(SELECT (state >> 8 * i & 255)::int FROM generate_series(0, 7) i) AS state FROM tried
)
SELECT t, (SELECT string_agg(chr(c), '' ORDER BY i) FROM unnest(state) WITH ORDINALITY x(c, i)) AS state
FROM bytes
WHERE 33 <= ALL (state) AND 126 >= ALL (state) LIMIT 1;
CREATE TABLE colliding AS
SELECT i AS id, i % 2 AS label, t || lpad(i::text, 8, '0') || state || 'sixteen letters.' AS c
FROM beginning, generate_series(1, 120000) i;
SELECT count(DISTINCT c) AS texts, count(DISTINCT hash48(c)) AS hashes FROM colliding WHERE id % 1000 = 0;

SET statement_timeout = '60s';
CREATE TABLE trained AS
SELECT ctr_train(r, ctr_fit(ignore => '{id}', epochs => 1, min_count => 1, validation => 0,
                            max_seconds => 0.001)) AS model FROM colliding r;
SELECT f.categories FROM trained, ctr_features(model) f;
RESET statement_timeout;

DROP TABLE beginning, colliding, trained;
DROP FUNCTION unsigned, signed, fold, word, hash_a, hash_b, hash48;
