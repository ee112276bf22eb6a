# Text that is no model is reported softly where the server asks for that (from 16 on), and nothing of it stays behind.
use strict;
use warnings;
use CtrTest;
use Test::More;

my $server = query('SHOW server_version_num');
plan skip_all => 'input functions report errors softly from PostgreSQL 16 on' if $server < 160000;

query(<<'END');
SET client_min_messages = warning;
\i sql/forge.psql
CREATE TABLE many AS SELECT i % 2 AS label, 'key ' || i AS a, i AS b, 1.5 AS x FROM generate_series(1, 60000) i;
CREATE TABLE models AS SELECT ctr_train(m, ctr_fit(recipe => 'reference', epochs => 1, validation => 0, categorical => '{b}') || '{"mlp_layers": [2]}') AS model FROM many m;
CREATE VIEW invalid AS SELECT kind, bytes FROM models, LATERAL (SELECT 8 * length(model::bytea) - 77 AS at) a, LATERAL (VALUES
    ('bytes', '\x0102'::bytea), ('cut short', substr(model::bytea, 1, length(model::bytea) - 1)), ('a bit of the data', set_bit(model::bytea, at, 1 - get_bit(model::bytea, at))),
    ('header', overlay(model::bytea PLACING '[' FROM 9)), ('JSON', signed(overlay(model::bytea PLACING '"' FROM 100 + position('training_rows'::bytea IN substr(model::bytea, 100))))),
    ('a version to come', changed(model::bytea, '"format_version":"2"', '"format_version":"9"')), ('a version that was', changed(model::bytea, '"format_version":"2"', '"format_version":"1"')),
    ('an unknown option', changed(model::bytea, '\"n_cross\": 2', '\"n_cros\": 2')), ('another option', changed(model::bytea, '\"n_cross\": 2', '\"n_cross\": 3')),
    ('no tensor', changed(model::bytea, '"last_linear.bias"', '"last_linear.bios"')), ('fields', changed(model::bytea, '\"architecture\": \"deepcross\"', '\"architecture\": \"fibinet\"')),
    ('history, read while threads work', changed(model::bytea, '"best_epoch":"1"', '"best_epoch":"7"')),
    ('a category twice', signed(overlay(model::bytea PLACING '21' FROM position('key 22key 23'::bytea IN model::bytea) + 4))),
    ('a number', overwritten(model::bytea, 'last_linear.bias', 0, '\x0000c07f'))) v(kind, bytes);
END

is(query(q{SELECT count(*) > 10 AND count(*) = count(DISTINCT bytes) FROM invalid}), 't', 'as many ways to be invalid');
is(query(q{SELECT pg_input_is_valid(model::text, 'ctr_model') FROM models}), 't', 'a model is valid');
is(query(q{SELECT string_agg(kind, ', ') FROM invalid WHERE pg_input_is_valid(bytes::text, 'ctr_model')}), '', 'what is none is not, without an error');
is(query(q{SELECT pg_input_is_valid('\xzz', 'ctr_model') OR pg_input_is_valid('\x0', 'ctr_model')}), 'f', 'nor are digits that are none');
is(query(q{SELECT string_agg(DISTINCT i.sql_error_code, ' ') FROM invalid, pg_input_error_info(bytes::text, 'ctr_model') i
           WHERE i.message ~ '^(invalid ctr_model: |ctr_model (has|was) |architecture "fibinet" )'}), '0A000 22P03', 'with the messages of errors');
is(query(q{SELECT count(*) FILTER (WHERE pg_input_is_valid(bytes::text, 'ctr_model')) FROM invalid, generate_series(1, 5);
           SELECT string_agg(name, ' ') FROM pg_backend_memory_contexts WHERE name ~ '^ctr (model|unpack|pool)'}), "0\n", 'nothing stays behind');

SKIP: {
    skip 'COPY ignores errors from PostgreSQL 17 on', 1 if $server < 170000;
    my $text = query("COPY (SELECT model FROM models) TO STDOUT");
    query("CREATE TABLE copied (LIKE models);\nCOPY copied FROM STDIN (ON_ERROR ignore);\n$text\n" . '\\\\x0102' . "\n$text\n\\.\n");
    is(query('SELECT count(*) FROM copied'), 2, 'COPY leaves out a row that has no model');
}

done_testing();
