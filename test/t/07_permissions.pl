# The extension is trusted: a database's owner creates it without being a superuser, and anybody uses it.
use strict;
use warnings;
use CtrTest;
use Test::More;

my $shop = "${CtrTest::database}_shop";
query(qq{DROP DATABASE IF EXISTS $shop;\nDROP ROLE IF EXISTS shop_owner;\nDROP ROLE IF EXISTS shop_user;
    CREATE ROLE shop_owner LOGIN;\nCREATE ROLE shop_user LOGIN;\nCREATE DATABASE $shop OWNER shop_owner;}, database => 'postgres');
my %owner = (database => $shop, user => 'shop_owner');
my %user = (database => $shop, user => 'shop_user');

query('CREATE SCHEMA models AUTHORIZATION shop_owner; CREATE EXTENSION ctr SCHEMA models; GRANT USAGE ON SCHEMA models TO PUBLIC', %owner);
is(query(q{SELECT extname FROM pg_extension WHERE extname = 'ctr'}, %owner), 'ctr', 'a database owner creates it, in a schema of choice');
query_fails('CREATE EXTENSION ctr', '42710', 'extension "ctr" already exists', 'once', %owner);
query('ALTER EXTENSION ctr SET SCHEMA public', database => $shop);
pass('it is relocatable (PostgreSQL leaves that to a superuser)');

my $rows = q{(SELECT (i % 3 = 0)::int AS label, (i % 3)::text AS city, i % 7 AS price FROM generate_series(1, 500) i) c};
query(qq{CREATE TABLE public_models AS SELECT ctr_train(c, ctr_fit(epochs => 1)) AS model FROM $rows;
    CREATE TABLE secret_models AS TABLE public_models;
    GRANT SELECT ON public_models TO shop_user;}, %owner);
is(query(qq{SELECT count(ctr_predict(model, c)) FROM public_models, $rows}, %user), 500, 'another role scores');
is(query(qq{SELECT ctr_train(c, ctr_fit(epochs => 1)) IS NOT NULL FROM $rows}, %user), 't', 'and trains');
query_fails('SELECT model FROM secret_models', '42501', 'permission denied', 'a model obeys GRANT', %user);
query_fails('SELECT ctr_auc(1, 1); SET ctr.max_threads = 1', '42501', 'permission denied to set parameter "ctr.max_threads"', 'the cap on threads is the superuser\'s', %user);
is(query('SET ctr.threads = 1; SHOW ctr.threads', %user), '1', 'the number below it is everybody\'s');

# The planner's call with columns instead of a row must not be a way around the right to call the function.
query(qq{CREATE TABLE clicks AS SELECT * FROM $rows; GRANT SELECT ON clicks TO shop_user;}, %owner);
my $scored = 'SELECT count(ctr_predict(model, c)) FROM public_models, clicks c';
like(query("EXPLAIN VERBOSE $scored", %user), qr/ctr_predict_columns/, 'the planner hands over columns');
is(query($scored, %user), 500, 'which scores');
query('REVOKE EXECUTE ON FUNCTION ctr_predict(ctr_model, record) FROM PUBLIC', database => $shop);
query_fails($scored, '42501', 'permission denied for function ctr_predict', 'but not for one who may not call ctr_predict', %user);

query("DROP DATABASE $shop;\nDROP ROLE shop_owner;\nDROP ROLE shop_user;", database => 'postgres');
done_testing();
