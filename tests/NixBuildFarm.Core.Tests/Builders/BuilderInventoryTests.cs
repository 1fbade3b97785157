using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Listing;
using NixBuildFarm.Errors;

namespace NixBuildFarm.Core.Tests.Builders;

public class BuilderInventoryTests
{
    private static readonly NixConfiguration Configuration = new()
    {
        System = "x86_64-linux",
        ExtraPlatforms = ["aarch64-linux", "x86_64-linux"],
        MaxJobs = 4,
        SystemFeatures = ["kvm"],
        Builders = "@/etc/nix/machines",
    };

    [Fact]
    public void The_local_machine_comes_first_then_the_list_of_the_setting()
    {
        var inventory = BuilderInventory.Read(Configuration, null, path => path == "/etc/nix/machines" ? "ruby;kana" : null);

        Assert.Equal(["local", "ruby", "kana"], inventory.Builders.Select(b => b.Name));
        Assert.Empty(inventory.Problems);
    }

    [Fact]
    public void The_local_machine_is_as_Nix_is_set()
    {
        var local = BuilderInventory.Read(Configuration, null, _ => "").Builders[0];

        Assert.True(local.IsLocal);
        Assert.Equal(["x86_64-linux", "aarch64-linux"], local.Systems);
        Assert.Equal(["kvm"], local.SupportedFeatures);
        Assert.Equal(4, local.MaxJobs);
        Assert.Equal(Environment.ProcessorCount, local.Cores);
    }

    [Fact]
    public void With_max_jobs_0_the_local_machine_is_listed_and_builds_nothing()
    {
        var configuration = new NixConfiguration { System = "x86_64-linux", MaxJobs = 0 };

        Assert.Equal(0, Assert.Single(BuilderInventory.Read(configuration, null, _ => null).Builders).MaxJobs);
    }

    [Fact]
    public void An_entry_for_this_machine_takes_the_place_of_Nixs_own_settings()
    {
        var inventory = BuilderInventory.Read(Configuration, null, _ => "ruby; auto - - - 3");

        Assert.Equal(["local", "ruby"], inventory.Builders.Select(b => b.Name));
        Assert.Equal((4, 3.0), (inventory.Builders[0].MaxJobs, inventory.Builders[0].SpeedFactor));
    }

    [Fact]
    public void Without_a_list_this_machine_is_the_only_builder_and_nothing_is_reported()
    {
        var inventory = BuilderInventory.Read(Configuration, null, _ => null);

        Assert.Equal(["local"], inventory.Builders.Select(b => b.Name));
        Assert.Empty(inventory.Problems);
    }

    [Fact]
    public void A_list_that_somebody_has_set_and_that_is_missing_is_a_warning()
    {
        var configuration = new NixConfiguration { System = "x86_64-linux", Builders = "@/srv/farm" };

        Assert.Equal("IncludeNotFound", Assert.Single(BuilderInventory.Read(configuration, null, _ => null).Problems).Id);
    }

    [Fact]
    public void The_usual_list_that_cannot_be_read_is_a_problem_and_not_the_end()
    {
        var inventory = BuilderInventory.Read(Configuration, null, _ => throw new UnauthorizedAccessException("Permission denied"));

        Assert.Equal(["local"], inventory.Builders.Select(b => b.Name));
        Assert.Equal("IncludeUnreadable", Assert.Single(inventory.Problems).Id);
    }

    [Fact]
    public void A_list_that_is_named_takes_the_place_of_the_setting()
    {
        var inventory = BuilderInventory.Read(Configuration, "/srv/farm", path => path == "/srv/farm" ? "pearl" : "ruby");

        Assert.Equal(["local", "pearl"], inventory.Builders.Select(b => b.Name));
        Assert.Equal("/srv/farm:1", inventory.Builders[1].Source);
    }

    [Fact]
    public void Problems_of_the_setting_itself_name_it()
    {
        var configuration = new NixConfiguration { System = "x86_64-linux", Builders = "ruby - - many" };

        Assert.StartsWith(
            "builders setting:1:10: maxJobs:", Assert.Single(BuilderInventory.Read(configuration, null, _ => null).Problems).ToString());
    }

    [Fact]
    public void A_named_list_that_is_missing_is_an_error() => Assert.Equal(
        "MachineListNotFound", Assert.Throws<NixBuildFarmException>(() => BuilderInventory.Read(Configuration, "/srv/none", _ => null)).Id);

    [Fact]
    public void A_named_list_that_cannot_be_read_is_an_error_with_the_reason()
    {
        var error = Assert.Throws<NixBuildFarmException>(
            () => BuilderInventory.Read(Configuration, "/srv/farm", _ => throw new IOException("Input/output error")));

        Assert.Equal("MachineListUnreadable", error.Id);
        Assert.Contains("/srv/farm", error.Message);
        Assert.Contains("Input/output error", error.Message);
    }
}
