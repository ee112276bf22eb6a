# Vectors of categories in pgvector, where that is installed: the statements of docs/pytorch.md, and their nearest are plain SQL's.
use strict;
use warnings;
use CtrTest;
use Test::More;

plan skip_all => 'similar categories by pgvector: it is not installed' unless query("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'");

query('CREATE EXTENSION vector');
query(q{SET client_min_messages = warning;
    CREATE TABLE visits AS SELECT (hashint4(i) & 1023 < 200 + 7 * (i % 80))::int AS label, 'site ' || i % 80 AS site FROM generate_series(1, 4000) i;
    CREATE TABLE models AS SELECT 'dcn' AS name, ctr_train(v, ctr_fit(epochs => 3, target_statistics => false)) AS model FROM visits v});
my ($plain, $vector) = map { CtrTest::slurp('docs/pytorch.md') =~ /```sql\n($_.*?)```/s or die; $1 } ('CREATE TABLE sites', 'CREATE TABLE site_vectors');

my @plain = map { (split /\|/)[0] } split /\n/, query($plain);
my @vector = split /\n/, query($vector);
is(scalar @vector, 3, 'three sites are near');
is_deeply(\@vector, \@plain, 'those that plain SQL finds');
is(query('SELECT count(*) FROM site_vectors WHERE vector_dims(embedding) > 1'), 80, 'every site has its vector');
done_testing();
