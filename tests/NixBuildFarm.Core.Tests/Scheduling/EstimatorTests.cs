using NixBuildFarm.Scheduling;
using static NixBuildFarm.Core.Tests.Scheduling.Given;

namespace NixBuildFarm.Core.Tests.Scheduling;

public class EstimatorTests
{
    private static readonly FarmBuilder Fast = Builder("fast", speed: 2);

    private static BuildObservation Build(
        string package, double seconds, string builder = "a", string system = X86, double speedFactor = 1) =>
        new() { Package = package, System = system, Builder = builder, Seconds = seconds, SpeedFactor = speedFactor, OutputBytes = 7 };

    private static Job Package(string name, string system = X86) => Job(name + "-1.0") with { PackageName = name, System = system };

    [Fact]
    public void A_package_never_seen_is_guessed_from_the_table()
    {
        var estimator = new Estimator();

        Assert.InRange(estimator.For(Package("gcc")).Seconds, 800, 2000);
        Assert.InRange(estimator.For(Package("zlib")).Seconds, 5, 20);
        Assert.Equal(EstimateSource.Table, estimator.For(Package("gcc")).Source);
        Assert.True(estimator.For(Package("chromium")).Seconds > 10 * estimator.For(Package("gcc")).Seconds);
    }

    [Theory]
    [InlineData("gcc-wrapper-14.3.0")]
    [InlineData("fix-build.patch")]
    [InlineData("autoreconf-hook")]
    [InlineData("clang-src-21.1.2")]
    public void Small_things_that_are_named_after_large_ones_are_small(string name) =>
        Assert.InRange(new Estimator().For(Job(name)).Seconds, 0.1, 2);

    [Theory]
    [InlineData("firefox-unwrapped-140.0", "firefox-140.0")]
    [InlineData("cmake-minimal-4.1.2", "cmake-4.1.2")]
    [InlineData("python3.13-numpy-2.3.4", "numpy-2.3.4")]
    [InlineData("riscv64-unknown-linux-gnu-gcc-14.3.0", "gcc-14.3.0")]
    public void Variants_of_a_package_are_guessed_like_the_package(string variant, string package) =>
        Assert.Equal(new Estimator().For(Job(package)).Seconds, new Estimator().For(Job(variant)).Seconds);

    [Fact]
    public void An_unknown_package_is_estimated_from_what_it_asks_for()
    {
        var plain = PackagePriors.For(Job("frobnicate-1.0"));
        var parallel = PackagePriors.For(Job("frobnicate-1.0") with { EnableParallelBuilding = true });
        var huge = PackagePriors.For(Job("frobnicate-1.0") with { RequiredFeatures = ["big-parallel"] });

        Assert.True(parallel.MeanSeconds > 1.5 * plain.MeanSeconds);
        Assert.True(huge.MeanSeconds > 20 * parallel.MeanSeconds);
        Assert.Equal(EstimateSource.Guess, plain.Source);
    }

    [Fact]
    public void An_unknown_package_is_estimated_from_what_it_is_built_with()
    {
        double With(params string[] inputs) => PackagePriors.For(Job("frobnicate-1.0") with { Inputs = BuildInputs.Of(inputs) }).Seconds;

        Assert.True(With("stdenv-linux", "clang-18.1") > 4 * With("stdenv-linux", "zlib-1.3"));
        Assert.True(With("stdenv-linux", "cargo-1.80", "rustc-1.80") > 2 * With("stdenv-linux", "bash-5.2", "zlib-1.3"));
        Assert.True(With([.. Enumerable.Range(0, 40).Select(i => $"lib{i}-1.0")]) > 3 * With("stdenv-linux"));
        Assert.Equal(With("stdenv-linux"), With("stdenv-linux", "source", "clang-18.1.tar.gz", "boost-1.86.patch"));
    }

    [Fact]
    public void A_large_package_that_is_not_in_the_table_is_large_whatever_it_is_built_with() =>
        Assert.Equal(
            PackagePriors.For(Job("frobnicate-1.0") with { RequiredFeatures = ["big-parallel"] }),
            PackagePriors.For(Job("frobnicate-1.0") with { RequiredFeatures = ["big-parallel"], Inputs = BuildInputs.Of(["meson-1.5"]) }));

    [Fact]
    public void A_download_takes_about_a_second_whatever_its_name() =>
        Assert.Equal(1, new Estimator().For(Package("gcc") with { IsFixedOutput = true }).Seconds);

    [Theory]
    [InlineData("llvm", 0.75)]
    [InlineData("linux", 0.6)]
    [InlineData("frobnicate", 0.5)]
    [InlineData("gcc", 0.2)]
    [InlineData("rustc", 0)]
    [InlineData("python3.13-numpy", 0)]
    [InlineData("firefox", 0)]
    public void What_part_of_a_package_is_compiles_is_guessed_by_what_it_is_written_in(string package, double share)
    {
        Assert.Equal(share, new Estimator().For(Package(package) with { EnableParallelBuilding = true }).Compiles.Share);
        Assert.Equal(0, new Estimator().For(Package(package)).Compiles.Share);
    }

    [Fact]
    public void A_shared_build_teaches_what_the_package_takes_alone_and_what_part_of_it_is_compiles()
    {
        var estimator = new Estimator();
        for (var i = 0; i < 3; i++)
        {
            estimator.Observe(
                Build("frobnicate", 60) with { EnableParallelBuilding = true, Compiles = new CompileObservation(100, 75, 320, 40) });
        }

        var estimate = estimator.For(Package("frobnicate"));

        Assert.InRange(estimate.Seconds, 90, 110);
        Assert.Equal(0.8, estimate.Compiles.Share, 0.001);
        Assert.Equal(3.2, estimate.Compiles.Seconds, 0.001);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(3, 4)]
    [InlineData(4000, 400)]
    public void A_package_that_gains_nothing_is_not_shared_again(int compiles, double seconds)
    {
        var estimator = new Estimator();
        Assert.True(estimator.For(Package("frobnicate") with { EnableParallelBuilding = true }).Compiles.Share > 0);
        estimator.Observe(
            Build("frobnicate", 400) with
            {
                EnableParallelBuilding = true,
                Compiles = new CompileObservation(compiles, compiles / 2, seconds, 0),
            });

        Assert.Equal(0, estimator.For(Package("frobnicate") with { EnableParallelBuilding = true }).Compiles.Share);
    }

    [Theory]
    [InlineData(-20.0, 150, false)]
    [InlineData(4.0, 150, false)]
    [InlineData(60.0, 150, true)]
    [InlineData(null, 150, true)]
    [InlineData(-20.0, 3, true)]
    public void Whether_a_package_gains_is_measured_where_others_did_much_of_it(double? saved, int shared, bool isSharedAgain)
    {
        var estimator = new Estimator();
        estimator.Observe(
            Build("frobnicate", 400) with { EnableParallelBuilding = true, Compiles = new CompileObservation(200, shared, 800, saved) });

        Assert.Equal(isSharedAgain, estimator.For(Package("frobnicate") with { EnableParallelBuilding = true }).Compiles.Share > 0);
    }

    [Fact]
    public void What_a_build_has_taught_of_its_compiles_is_told_of_all_jobs_of_its_package()
    {
        var jobs = new[] { Package("frobnicate") with
        {
            EnableParallelBuilding = true,
        }, Package("frobnicate") with { EnableParallelBuilding = true } };
        var estimates = new RunEstimates(new JobGraph(jobs), [Fast], new Estimator());

        var learnt = estimates.Learn(new SchedulingEvent.JobFinished(50, 0, 0, 1), Fast, 50, 4, new CompileObservation(10, 5, 160, 10));

        var changed = Assert.IsType<SchedulingEvent.EstimateChanged>(learnt[0]);
        Assert.Equal(1, changed.Job);
        Assert.Equal(160.0 / 4 / 60, changed.Estimate.Compiles.Share, 0.001);
    }

    [Fact]
    public void Observations_replace_the_guess_and_one_odd_build_does_no_harm()
    {
        var estimator = new Estimator();
        foreach (var seconds in new[] { 100.0, 110, 5000, 105, 95 }) estimator.Observe(Build("gcc", seconds));

        var estimate = estimator.For(Package("gcc"));

        Assert.InRange(estimate.Seconds, 100, 115);
        Assert.Equal(EstimateSource.Run, estimate.Source);
        Assert.InRange(estimate.Spread, 0.05, 0.25);
        Assert.Equal(7, estimate.OutputBytes);
    }

    [Fact]
    public void One_sample_is_trusted_less_than_many()
    {
        var (once, often) = (new Estimator(), new Estimator());
        once.Observe(Build("a", 10));
        for (var i = 0; i < 10; i++) often.Observe(Build("a", 10));

        Assert.True(once.For(Package("a")).Spread > often.For(Package("a")).Spread);
    }

    [Fact]
    public void Another_platform_is_a_vaguer_guide()
    {
        var estimator = new Estimator();
        estimator.Observe(Build("gcc", 300, system: Arm));

        Assert.InRange(estimator.For(Package("gcc")).Seconds, 250, 500);
        Assert.True(estimator.For(Package("gcc")).Spread > estimator.For(Package("gcc", Arm)).Spread);
    }

    [Fact]
    public void A_duration_counts_by_the_speed_of_its_builder()
    {
        var estimator = new Estimator();
        estimator.Observe(Build("a", 10, "fast", speedFactor: 2));

        Assert.InRange(estimator.For(Package("a")).Seconds, 15, 21);
    }

    [Fact]
    public void An_emulated_system_shows_up_as_what_it_costs()
    {
        var emulating = Builder("b") with { Systems = [new(X86, 1), new(Arm, 1)] };
        var estimator = new Estimator();
        for (var i = 0; i < 30; i++)
        {
            estimator.Observe(Build($"p{i}", 10, "native", Arm));
            estimator.Observe(Build($"p{i}", 100, "b", Arm));
            estimator.Observe(Build($"p{i}", 10, "native"));
            estimator.Observe(Build($"p{i}", 10, "b"));
        }

        Assert.InRange(estimator.SpeedOf(emulating, Arm), 0.08, 0.13);
        Assert.InRange(estimator.SpeedOf(emulating, X86), 0.9, 1.1);
    }

    [Fact]
    public void A_builder_alone_learns_durations_and_keeps_its_configured_speed()
    {
        var estimator = new Estimator();
        for (var i = 0; i < 20; i++) estimator.Observe(Build("a", 33, "fast", speedFactor: 2));

        Assert.Equal(2, estimator.SpeedOf(Fast, X86), 0.001);
    }

    [Fact]
    public void A_build_tells_the_scheduler_of_its_siblings_and_of_the_builder()
    {
        var graph = new JobGraph([Package("gcc"), Package("gcc"), Package("other")]);
        var estimates = new RunEstimates(graph, [Fast], new Estimator());

        var events = estimates.Learn(new SchedulingEvent.JobFinished(9, 0, 0, 5), Fast, seconds: 9, cores: 4);

        var change = Assert.IsType<SchedulingEvent.EstimateChanged>(events.Single(e => e is SchedulingEvent.EstimateChanged { Job: 1 }));
        Assert.InRange(change.Estimate.Seconds, 17, 30);
        Assert.Equal(EstimateSource.Run, change.Estimate.Source);
    }

    [Fact]
    public void A_job_far_over_its_estimate_is_expected_to_need_longer_still()
    {
        var estimate = new Estimate(10, 1, 0);

        Assert.Equal(10, estimate.ExpectedSeconds(0));
        Assert.Equal(10, estimate.ExpectedSeconds(0.5), 0.1);
        Assert.True(estimate.ExpectedSeconds(20) > 25);
        Assert.True(estimate.ExpectedSeconds(200) > 235);
        Assert.Equal(10.1, new Estimate(10, 0, 0).ExpectedSeconds(10), 0.001);
    }

    [Fact]
    public void The_beginning_of_a_phase_is_the_median_of_what_builds_have_shown()
    {
        var estimator = new Estimator();
        foreach (var (check, install) in new (double?, double?)[] { (0.5, 0.9), (0.52, null), (0.54, 0.92), (double.NaN, -1), (0, 7) })
        {
            estimator.Observe(Build("frobnicate", 100) with { CheckAt = check, InstallAt = install });
        }
        estimator.Observe(Build("frobnicate", 1) with { CheckAt = 0.01 });

        Assert.Equal(0.52, estimator.BeginningOf(Package("frobnicate"), TellingPhase.Check)!.Value.Share, 0.001);
        Assert.Equal(0.91, estimator.BeginningOf(Package("frobnicate"), TellingPhase.Install)!.Value.Share, 0.001);
        Assert.Null(estimator.BeginningOf(Package("other"), TellingPhase.Check));
    }

    [Fact]
    public void What_was_seen_counts_where_others_tell_something_else()
    {
        var estimator = new Estimator();
        for (var i = 0; i < 5; i++) estimator.Observe(Build("frobnicate", 900) with { Source = EstimateSource.NixOutputMonitor });
        Assert.Equal(EstimateSource.NixOutputMonitor, estimator.For(Package("frobnicate")).Source);
        var told = estimator.For(Package("frobnicate"));

        estimator.Observe(Build("frobnicate", 60));

        Assert.InRange(told.Seconds, 600, 900);
        Assert.InRange(estimator.For(Package("frobnicate")).Seconds, 40, 120);
        Assert.Equal(EstimateSource.Run, estimator.For(Package("frobnicate")).Source);
    }

    private static BuildObservation Told(double seconds) => Build("p", seconds) with { Source = EstimateSource.NixLog, OutputBytes = 0 };

    [Fact]
    public void What_logs_tell_does_not_take_the_place_of_what_was_seen()
    {
        var estimator = new Estimator();
        estimator.Observe(Build("p", 100), Package("p"));
        for (var i = 0; i < 40; i++) estimator.Observe(Told(1000), Package("p"));

        var estimate = estimator.For(Package("p"));

        Assert.Equal(EstimateSource.Run, estimate.Source);
        Assert.Equal(7, estimate.OutputBytes);
        Assert.InRange(estimate.Seconds, 50, 200);
    }

    [Fact]
    public void The_size_of_outputs_is_the_last_that_is_known()
    {
        var estimator = new Estimator();
        estimator.Observe(Build("p", 100), Package("p"));
        estimator.Observe(Told(100), Package("p"));

        Assert.Equal(7, estimator.For(Package("p")).OutputBytes);
    }

    [Fact]
    public void Builds_are_of_the_package_that_is_called_so_rather_than_of_one_whose_derivation_is()
    {
        var unwrapped = Job("x-1.0") with { PackageName = "x-unwrapped" };
        var estimator = new Estimator();
        estimator.Know([Build("x", 5000), Build("x", 5000)], [unwrapped, Package("x")]);

        Assert.Equal(EstimateSource.Run, estimator.For(Package("x")).Source);
        Assert.NotEqual(EstimateSource.Run, estimator.For(unwrapped).Source);
    }
}
