# make bench BENCH=tables, on small tables of its own: every architecture of the build gets its figures, whatever the
# table's and the columns' names are, and they are those of SQL's own metrics; libraries that are absent are named.
use strict;
use warnings;
use CtrTest;
use File::Basename qw(dirname);
use Test::More;

# what the caller has set for other tests and benchmarks
delete @ENV{qw(CRITEO PLANTED TABLES MODELS SEEDS OPTIONS THREADS)};

my $bench = dirname(__FILE__) . '/../bench/tables.py';
my $python = $ENV{PYTHON} // 'python3';
plan skip_all => "$python is absent" if system("$python -c '' 2>/dev/null") != 0;

# Texts and numbers, NULLs, what COPY escapes, categories that only the test rows have; or one column of a kind alone.
my %columns = (
    "it's 1" => 'label int, "a ""b"" %s" text, x float8, "y" float8',
    numbers => 'label int, x float8',
    texts => 'label int, "Text" text',
);
my %values = (
    "it's 1" => q{nullif(E'a\t\\\\' || i %% %s, E'a\t\\\\' || 5), nullif(i %% 11, 3), 'NaN'},
    numbers => 'i %% 7 + 0 * %s',
    texts => q{'t' || (i %% 3 + 0 * %s)},
);
my $folder = scratch('tables');
mkdir $folder or die "$folder: $!";
foreach my $table (keys %columns)
{
    mkdir "$folder/$table" or die;
    open my $out, '>', "$folder/$table/columns.sql" or die;
    print $out $columns{$table};
    close $out;
    foreach (['train', 1, 300, 10], ['test', 301, 500, 13])
    {
        my ($part, $first, $last, $categories) = @$_;
        my $rows = sprintf "SELECT (hashint4(i) %% 5 + 3 * (i %% 3) > 2)::int, $values{$table} FROM generate_series(%d, %d) i",
            $categories, $first, $last;
        open my $gzip, '|-', "gzip >'" . "$folder/$table/$part.tsv.gz" =~ s/'/'\\''/gr . "'" or die;
        print $gzip query("COPY ($rows) TO STDOUT"), "\n";
        close $gzip or die;
    }
}

# -S hides the libraries, where Python has them
sub bench
{
    my ($settings) = @_;
    my $output = qx(PGDATABASE=$CtrTest::database $settings $python -S $bench '$folder' 2>&1);
    return ($?, $output);
}

my @architectures = split /\n/, query("SELECT unnest(architectures) FROM ctr_options() WHERE option = 'architecture'");
my ($status, $output) = bench('SEEDS="1 2"');
is($status, 0, 'the benchmark ends well') or diag($output);
like($output, qr/^\Q$_\E was left out:/m, "$_ is named as absent") foreach qw(lightgbm xgboost catboost xgboost_statistics);
like($output, qr/^CRITEO=path was not given/m, 'and that there are no rows of Criteo');
my %figures;
my $figure = qr/(\d\.\d{4}) ± \d\.\d{4}/;
while ($output =~ /^\| (.*) \(300 \/ 200\) \| ctr, (\w+) \| $figure \| $figure \| $figure \| (\d+\.\d) ± \d+\.\d \|$/mg)
{
    $figures{$1}{$2} = [ $3, $4, $6 ];
}
is_deeply([ sort keys %figures ], [ sort keys %columns ], 'every table has rows');
is_deeply([ sort keys %$_ ], [ sort @architectures ], 'one for each architecture') foreach values %figures;

# what one training gives by SQL's own metrics
($status, $output) = bench('SEEDS=7 MODELS=deepcross OPTIONS="ctr_fit(epochs => 2)"');
my ($auc, $loss) = $output =~ /^\| texts \(.*\) \| ctr, deepcross \| (\S+) \| (\S+) \| \S+ \| \S+ \|$/m;
query("CREATE TABLE $_ ($columns{texts});\n\\copy $_ FROM PROGRAM 'gzip -dc <$folder/texts/$_.tsv.gz'") foreach qw(train test);
is("$auc $loss", query("SELECT round((e).auc::numeric, 4) || ' ' || round((e).loss::numeric, 4) FROM (SELECT ctr_evaluate(
    (SELECT ctr_train(r, ctr_fit(epochs => 2, seed => 7)) FROM train r), t) AS e FROM test t) s"), 'the figures are ctr_evaluate\'s');

($status, $output) = bench('MODELS=depcross');
isnt($status, 0, 'an unknown model is refused');
like($output, qr/there is no "depcross", but deepcross/, 'and the known ones are listed');

SKIP: {
    skip 'scikit-learn is absent', 1 if system("$python -c 'import sklearn' 2>/dev/null") != 0;
    like(qx($python $bench --self-test 2>&1), qr/^auc and log_loss equal scikit-learn's/, 'metrics are scikit-learn\'s');
}

done_testing();
