# Roles that may little, beside functions with their owner's rights, row security and names that are meant as SQL.
use strict;
use warnings;
use CtrTest;
use Test::More;

my %owner = (user => 'ctr_owner');
my %stranger = (user => 'ctr_stranger');
query('DROP ROLE IF EXISTS ctr_owner; DROP ROLE IF EXISTS ctr_stranger; CREATE ROLE ctr_owner LOGIN; CREATE ROLE ctr_stranger LOGIN;
    CREATE SCHEMA shop AUTHORIZATION ctr_owner; GRANT USAGE ON SCHEMA shop TO ctr_stranger; CREATE SCHEMA mine AUTHORIZATION ctr_stranger');
query(q{SET search_path = shop, public; SET client_min_messages = error;
    CREATE TABLE examples (country text, price float8, label int);
    INSERT INTO examples SELECT 'c' || i % 5, i % 7, (i % 3 = 0)::int FROM generate_series(1, 400) i;
    CREATE TABLE versions AS SELECT true AS champion, ctr_train(e, ctr_fit(epochs => 1)) AS model FROM examples e;
    CREATE FUNCTION score(e examples) RETURNS float8 STABLE SECURITY DEFINER LANGUAGE sql SET search_path = shop, public, pg_temp
        AS 'SELECT ctr_predict((SELECT model FROM versions WHERE champion), e)';
    CREATE FUNCTION scores(float8) RETURNS SETOF float8 SECURITY DEFINER LANGUAGE plpgsql SET search_path = shop, public, pg_temp
        AS 'BEGIN RETURN QUERY SELECT ctr_predict(model, e) FROM versions, examples e WHERE price >= $1; END';
    CREATE TABLE victim (x int);}, %owner);

# ------------------------------------------------------------------ functions with their owner's rights

my $row = q{'(c1,3,0)'::shop.examples};
my $expected = query("SELECT round(shop.score($row)::numeric, 6)", %owner);
query_fails('SELECT model FROM shop.versions', '42501', 'permission denied', 'a role that may not read the model', %stranger);
is(query("SELECT round(shop.score($row)::numeric, 6)", %stranger), $expected, 'scores by a function with its owner\'s rights');
is(query('SELECT count(*) FROM shop.scores(3)', %stranger), query('SELECT count(*) FROM shop.examples WHERE price >= 3', %owner), 'and by one that scores a table in blocks');
unlike(query("EXPLAIN (VERBOSE, ANALYZE) SELECT shop.score($row) FROM shop.scores(3)", %stranger), qr/versions|\\\\x/, 'whose plan shows nothing of the model');
query_fails('SELECT ctr_predict(model, e) FROM shop.versions, shop.examples e', '42501', 'permission denied', 'but not without', %stranger);

# What the stranger plants where names are looked up is not what the function calls.
my $planted = q{CREATE TEMP TABLE versions (champion bool, model ctr_model); CREATE TEMP TABLE ran (what text);
    CREATE FUNCTION mine.ctr_predict(ctr_model, anyelement) RETURNS float8 LANGUAGE plpgsql AS 'BEGIN INSERT INTO ran VALUES (current_user); RETURN 7; END';
    CREATE FUNCTION mine.ctr_predict(ctr_model, shop.examples) RETURNS float8 LANGUAGE plpgsql AS 'BEGIN INSERT INTO ran VALUES (current_user); RETURN 7; END';
    SET search_path = mine, pg_temp, public;};
is(query("$planted SELECT round(shop.score($row)::numeric, 6), (SELECT max(s) <= 1 FROM shop.scores(3) s), (SELECT count(*) FROM ran)", %stranger), "$expected|t|0",
    'functions and tables of the caller are not taken');

# ------------------------------------------------------------------ row security

query(q{SET search_path = shop, public; SET client_min_messages = error;
    CREATE TABLE orders AS SELECT i AS id, CASE WHEN i % 4 = 0 THEN 'ctr_stranger' ELSE 'ctr_owner' END AS who, i % 9 AS price, (i % 3 = 0)::int AS label FROM generate_series(1, 800) i;
    ALTER TABLE orders ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON orders USING (who = current_user);
    CREATE VIEW seen WITH (security_barrier) AS SELECT id, who, price, label FROM orders WHERE id % 8 = 0;
    CREATE TABLE public_models AS SELECT ctr_train(o, ctr_fit(epochs => 1, ignore => '{id,who}')) AS model FROM orders o;
    GRANT SELECT ON orders, seen, public_models TO ctr_stranger;}, %owner);
for my $blocks ('on', 'off') {
    # cheap enough that the planner would ask it first
    my $peeking = qq{SET ctr.block_scoring = $blocks; SET client_min_messages = error; CREATE TEMP TABLE peeked (id int);
        CREATE FUNCTION pg_temp.peek(int) RETURNS bool COST 0.000001 LANGUAGE plpgsql AS 'BEGIN INSERT INTO peeked VALUES (\$1); RETURN true; END';};
    my $told = q{SELECT count(*), count(*) FILTER (WHERE id % 4 = 0), count(*) FILTER (WHERE id % 8 = 0) FROM peeked};
    my $scored = 'ctr_predict((SELECT model FROM shop.public_models), o)';
    is(query("$peeking DO 'BEGIN PERFORM count($scored) FROM shop.orders o WHERE pg_temp.peek(id) AND $scored >= 0; END'; $told", %stranger), '200|200|100',
        "blocks $blocks: a function that tells sees the rows that row security lets through");
    # of the owner's rows no eighth is the stranger's: the view shows what its owner sees
    is(query("$peeking DO 'BEGIN PERFORM count($scored) FROM shop.seen o WHERE pg_temp.peek(id) AND $scored >= 0; END'; $told", %stranger), query('SELECT count(*) FROM shop.seen', %stranger) . '|' .
        query('SELECT count(*) FROM shop.seen', %stranger) . '|' . query('SELECT count(*) FROM shop.seen', %stranger), "blocks $blocks: and of a view with a security barrier its rows");
}
is(query(q{SELECT ctr_config(ctr_train(o, ctr_fit(epochs => 1, validation => 0, ignore => '{id,who}')))->'rows'->'training' FROM shop.orders o}, %stranger), 200, 'a training learns from these only');

# ------------------------------------------------------------------ without rights, and with names that are meant as SQL

query_fails(q{CALL ctr_train_distributed('shop.examples', ctr_fit(epochs => 1), NULL, rounds => 1)}, '42501', 'part shop.examples: permission denied', 'no training in parts of a table that may not be read', %stranger);
my (undef, undef, $said) = run_psql(q{CALL ctr_train_distributed('shop.examples', ctr_fit(epochs => 1), NULL, rounds => 1)}, %stranger);
unlike($said, qr/goes on after/, 'nor a hint at a checkpoint that was not given');
query_fails(q{SELECT ctr_evaluate_distributed('shop.examples'::regclass, model) FROM shop.public_models}, '42501', 'part shop.examples: permission denied', 'nor an evaluation', %stranger);

my $name = q{"a'b""; DROP TABLE shop.victim; --"};
my $part = q{"p'""); DROP TABLE shop.victim; --"};
my $column = q{"c'""\\ $$ <b>; DROP TABLE shop.victim; --"};
query(qq{SET search_path = shop, public; SET client_min_messages = error;
    CREATE TABLE $name (id int, $column text, price float8, label int) PARTITION BY HASH (id);
    CREATE TABLE $part PARTITION OF $name FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE other PARTITION OF $name FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    INSERT INTO $name SELECT i, E'\\'"; DROP TABLE shop.victim; --' || i % 5, i % 7, (i % 3 = 0)::int FROM generate_series(1, 600) i;
    CREATE TABLE "r'""; --" OF ctr_round;}, %owner);
my $regclass = $name =~ s/'/''/gr;
query(qq{SET search_path = shop, public; CALL ctr_train_distributed('$regclass', ctr_fit(epochs => 1, ignore => '{id}'), rounds => 2, checkpoint => '"r''""; --"')}, %owner);
is(query(q{SET search_path = shop, public; SELECT count(*) FROM "r'""; --" WHERE round > 0}, %owner), 2, 'a table in parts with names that are meant as SQL trains');
is(query(qq{SET search_path = shop, public; SELECT (ctr_evaluate_distributed('$regclass'::regclass, model)).rows FROM "r'""; --" WHERE round = 2}, %owner), 600, 'and is evaluated');
is(query(qq{SET search_path = shop, public; CREATE TABLE m AS SELECT model FROM "r'""; --" WHERE round = 2;
    SELECT bool_and(ctr_predict(model, c) BETWEEN 0 AND 1) FROM m, $name c;
    SELECT count(*) FROM m, $name c, ctr_explain(model, c) e WHERE c.id < 3;
    SELECT ctr_report(model) !~ '<b>', ctr_plot(model, 'importance') !~ '<b>' FROM m;
    SELECT count(v) FROM m, ctr_features(model) f, ctr_vocabulary(model, f.name) v WHERE kind = 'categorical';
    SELECT count(*) FROM victim}, %owner), "t\n4\nt|t\n7\n0", 'all that can be done with its model is done, and nothing else');

query('DROP OWNED BY ctr_owner, ctr_stranger CASCADE; DROP ROLE ctr_owner; DROP ROLE ctr_stranger');
done_testing();
