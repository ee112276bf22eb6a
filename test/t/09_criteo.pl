# Real rows, where CRITEO names a file of them: the default recipe learns what it should, and more than the
# reference's. First 80 % train, last 20 % test.
use strict;
use warnings;
use CtrTest;
use File::Basename qw(dirname);
use Test::More;

my $file = $ENV{CRITEO};
plan skip_all => 'CRITEO=path names no file of real rows' unless $file;

my $reader = $file =~ /\.gz$/ ? 'gzip -dc' : 'cat';
my $columns = join ', ', 'label', (map { "i$_" } 1 .. 13), (map { "c$_" } 14 .. 39);
my $load = dirname(__FILE__) . '/../demo/load.sql';
query("\\i $load\n\\copy criteo ($columns) FROM PROGRAM '$reader \"$file\"' (NULL '')\nANALYZE criteo;");
my $train = query('SELECT max(id) * 8 / 10 FROM criteo');

sub auc
{
    my ($recipe) = @_;
    return query("WITH m AS MATERIALIZED (
            SELECT ctr_train(c, ctr_fit(ignore => '{id}', recipe => '$recipe')) AS model FROM criteo c WHERE id <= $train)
        SELECT (ctr_evaluate(m.model, c)).auc FROM m, criteo c WHERE id > $train");
}

my ($robust, $reference) = (auc('robust'), auc('reference'));
note(sprintf('test AUC: robust %.4f, reference %.4f', $robust, $reference));
cmp_ok($reference, '>', 0.72, 'the reference recipe learns');
cmp_ok($robust, '>', $reference + 0.015, 'the robust recipe learns more');

done_testing();
