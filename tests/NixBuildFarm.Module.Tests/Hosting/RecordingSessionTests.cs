using NixBuildFarm.EngineHost.Recording;

namespace NixBuildFarm.Module.Tests.Hosting;

/// <summary>The session that the other tests look through shows what a user would see.</summary>
public sealed class RecordingSessionTests : IDisposable
{
    private readonly RecordingSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    public void Each_stream_is_kept_apart()
    {
        var result = session.Run("""
            function Write-Everything {
                [CmdletBinding()] param()
                $PSCmdlet.WriteObject(42)
                $PSCmdlet.WriteWarning('careful')
                $PSCmdlet.WriteVerbose('chosen')
                $PSCmdlet.WriteInformation('told', @('tag'))
                $PSCmdlet.WriteProgress([System.Management.Automation.ProgressRecord]::new(7, 'working', 'half'))
                $PSCmdlet.WriteError([System.Management.Automation.ErrorRecord]::new([System.Exception]::new('odd'), 'Odd', 'InvalidData', 'it'))
            }
            Write-Everything -Verbose
            """);

        Assert.Equal([42], result.OutputAs<int>());
        Assert.Equal(["careful"], result.Warnings);
        Assert.Equal(["chosen"], result.Verbose);
        Assert.Equal(["told"], result.Information.Select(i => i.MessageData));
        Assert.Equal([("working", "half")], result.Progress.Select(p => (p.Activity, p.StatusDescription)));
        Assert.Equal(["Odd,Write-Everything"], result.Errors.Select(e => e.FullyQualifiedErrorId));
        Assert.Null(result.TerminatingError);
    }

    [Fact]
    public void An_error_that_ends_the_script_is_told_from_one_that_does_not()
    {
        var result = session.Run("1; throw 'enough'; 2");

        Assert.Equal([1], result.OutputAs<int>());
        Assert.Empty(result.Errors);
        Assert.Equal("enough", result.TerminatingError?.Exception.Message);
    }

    [Fact]
    public void Tables_show_as_they_do_at_the_prompt()
    {
        var text = session.Show("[pscustomobject]@{ Name = 'ruby'; MaxJobs = 2 }, [pscustomobject]@{ Name = 'kana'; MaxJobs = 3 }");

        Assert.Equal(
            """

            Name MaxJobs
            ---- -------
            ruby       2
            kana       3


            """, text);
    }

    [Fact]
    public void Errors_show_among_the_output()
    {
        var text = session.Show("'before'; Get-Nothing; 'after'");

        Assert.StartsWith("before\nGet-Nothing: The term 'Get-Nothing' is not recognized", text);
        Assert.EndsWith("after\n", text);
    }

    [Fact]
    public void Confirmation_gets_the_prepared_answer()
    {
        const string Script = """
            function Remove-It { [CmdletBinding(SupportsShouldProcess)] param() if ($PSCmdlet.ShouldProcess('the thing')) { 'removed' } }
            Remove-It -Confirm
            """;
        session.Screen.Answers.Enqueue("No");
        Assert.Empty(session.Run(Script).Output);

        session.Screen.Answers.Enqueue("Yes");
        Assert.Equal(["removed"], session.Run(Script).OutputAs<string>());
        Assert.All(session.Screen.Questions, q => Assert.Contains("the thing", q));
    }

    [Fact]
    public void A_question_without_a_prepared_answer_is_an_error()
    {
        var error = Assert.Single(session.Run("$Host.UI.ReadLine()").Errors);

        Assert.Contains("No answer is prepared", error.Exception.Message);
    }

    [Fact]
    public void A_running_script_can_be_stopped_and_cleans_up()
    {
        using var running =
            session.Start("try { 'started'; while ($true) { [Threading.Thread]::Sleep(10) } } finally { $global:cleaned = $true }");
        Assert.Equal("started", running.Output.First().BaseObject);

        running.Stop();

        Assert.True(running.Wait(RecordingSession.Limit).Stopped);
        Assert.Equal([true], session.Run("$cleaned").OutputAs<bool>());
    }
}
