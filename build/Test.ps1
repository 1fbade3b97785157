# Test: every test. Some parts compute, others wait for builders that do not answer: so parts run side by side, each farm for itself.

$results = "$out/test-results"

# As many parts as processors keep these busy. With more, all of them only get slower, and what is limited in time fails.
$partsAtATime = [Math]::Max(2, [Environment]::ProcessorCount)

# A part that takes longer hangs: it is ended, so that its log says where, and the other parts still count. The longest seen took 22.
$partLimit = [TimeSpan]::FromMinutes(45)

# The farm suite in parts, each in a farm of its own: classes by name below NixBuildFarm.Farm.Tests. A part takes what those above leave,
# the last one all that is left: so each class runs once, also a new one.
$farmParts = [ordered]@{
    Lost     = @('Faults.LostConnectionTests')    # waits nearly all of its time
    Shared   = @('Sharing.*')                     # compiles real programs
    Builds   = @('Builds.*')
    Stopped  = 'Faults.Stop*', 'Faults.Killed*', 'Faults.Neighbours*'
    Builders = 'Builders.*', 'Serving.*'
    Faults   = 'Faults.*', 'FaultTests'
    Supply   = 'Supplying.*', 'Ssh.*'
    Rest     = @('*')
}

# Farms of other versions of Nix: of the coordinator, and of the builders in turn. They run the tests with the trait Nix=every.
$nixVersions = [ordered]@{
    '2.26'  = '2.26'
    '2.34'  = '2.34'
    'mixed' = '2.34,own,2.26,2.34'
}

# This machine's: that of Debian 12.
$ownNix = '2.8'
$nixRoot = "$root/tests/Farm/nix-root.sh"

# .NET is started hundreds of times, and most code runs a few times only. Compiled in the simplest way, and late for a second time, it
# takes a fifth less of processor time in all.
$settings = 'env', 'DOTNET_TieredPGO=0', 'DOTNET_TC_CallCountThreshold=0x400', 'DOTNET_EnableWriteXorExecute=0'

# With this code, with-farm.sh ends where a root with another Nix cannot be made: there is no network, perhaps.
$noRoot = 77

function Invoke-Test {
    Invoke-Setup
    New-EmptyFolder $results
    $passed = $failed = $skipped = 0
    $roots = Start-NixRoot
    try {
        Invoke-Build
        Invoke-Precompile
        foreach ($counts in Invoke-Part (Get-TestPart)) {
            $passed += $counts.Passed
            $failed += $counts.Failed
            $skipped += $counts.Skipped
        }
    }
    finally {
        Stop-Program $roots
    }
    if (-not (Test-VersionDocument)) { $failed++ }
    Write-Line "$passed passed, $failed failed, $skipped skipped"
    if ($failed -gt 0) { exit 1 }
}

# Makes the roots of hosts with another Nix while the build leaves a processor idle. The parts that need one wait for it, and say what
# keeps it from being made.
function Start-NixRoot {
    $versions = @($nixVersions.Values.Split(',') | Where-Object { $_ -ne 'own' } | Sort-Object -Unique)
    Start-Program '/bin/sh' (@('-c', 'exec "$@" < /dev/null > "$0" 2>&1', "$results/nix-root.log", $nixRoot) + $versions)
}

# All parts, the longest first.
function Get-TestPart {
    $examples = 'Examples.Tests.ps1'
    New-PesterPart 'tests/Pester' '-Exclude', "*/$examples"
    New-PesterPart 'tests/Pester Examples' '-Path', "$root/tests/Pester/$examples"
    $farm = 'NixBuildFarm.Farm.Tests'
    $above = @()
    foreach ($part in $farmParts.GetEnumerator()) {
        $own = @($part.Value | ForEach-Object { '-class', "$farm.$_" }) + $above
        New-TestProgram $farm -Name "$farm $($part.Key)" -In (@($withFarm, '--') + $settings) -Filter $own
        $above += @($part.Value | ForEach-Object { '-class-', "$farm.$_" })
    }
    foreach ($version in $nixVersions.GetEnumerator()) {
        New-TestProgram $farm -Name "$farm Nix $($version.Key)" -In (@($withFarm, '--nix', $version.Value, '--') + $settings) `
            -Filter '-trait', 'Nix=every'
    }
    $first = 'NixBuildFarm.Ssh.Tests', 'NixBuildFarm.Module.Tests'
    $names = [IO.Directory]::GetDirectories("$root/tests", 'NixBuildFarm.*.Tests') | ForEach-Object { [IO.Path]::GetFileName($_) }
    foreach ($name in $first + @($names | Where-Object { $_ -notin $first -and $_ -ne $farm } | Sort-Object)) { New-TestProgram $name }
    $missing = @('node', 'npm', 'chromium' | Where-Object { -not (Test-Program $_) })
    if ($missing.Count -gt 0) {
        Write-Line "tests/Report: not run, not installed here: $missing"
        return
    }
    $report = "$results/Report.tap"
    New-Part 'tests/Report' -Report $report -Command (
        Get-PowerShellCommand '-File', "$root/tests/Report/Invoke-Tests.ps1", '-Out', $out, '-Report', $report
    )
}

# The tests in pwsh on a farm, or those that a filter lets through.
function New-PesterPart([string] $Name, [string[]] $Filter) {
    $report = "$results/$($Name.Replace('/', '.').Replace(' ', '.')).tap"
    New-Part $Name -Report $report -Command (@(
        $withFarm, '--'
        $settings
        'pwsh', '-NoProfile', '-NonInteractive', '-File', "$root/tests/Pester/Invoke-Tests.ps1", '-Report', $report
    ) + $Filter)
}

# A part of the tests: a command, and the file in which it counts.
function New-Part([string] $Name, [string[]] $Command, [string] $Report) {
    [pscustomobject]@{
        Name    = $Name
        Command = $Command
        Report  = $Report
        Log     = "$results/$($Name.Replace('/', '.').Replace(' ', '.')).log"
        Clock   = [Diagnostics.Stopwatch]::new()
        Process = $null
        IsOver  = $false
    }
}

# The program of a test project, or those of its classes that a filter lets through.
function New-TestProgram([string] $Project, [string] $Name = $Project, [string[]] $In = $settings, [string[]] $Filter = @()) {
    $report = "$results/$($Name.Replace(' ', '.')).xml"
    # A test that runs for a minute is named, so that one which hangs is known.
    New-Part $Name -Report $report -Command (
        $In + 'dotnet' + 'exec' + "$out/build/bin/$Project/release/$Project.dll" + '-noLogo' + '-noColor' + '-reporter' + 'quiet' +
        '-longRunning' + '60' + $Filter + '-result-xml' + $report
    )
}

# Runs parts, some at a time, and returns the counts of each. Prints the output of a part in one piece as it ends. All end with us.
function Invoke-Part([object[]] $Part) {
    $waiting = [Collections.Generic.Queue[object]]::new($Part)
    $running = [Collections.Generic.List[object]]::new()
    try {
        while ($waiting.Count + $running.Count -gt 0) {
            while ($waiting.Count -gt 0 -and $running.Count -lt $partsAtATime) {
                $running.Add($waiting.Dequeue())
                Start-Part $running[-1]
            }
            [Threading.Thread]::Sleep(100)
            foreach ($one in $running) {
                if ($one.Process -and -not $one.Process.HasExited) {
                    if ($one.Clock.Elapsed -lt $partLimit) { continue }
                    $one.Process.Kill($true)
                    $one.Process.WaitForExit()
                    Write-Line "$($one.Name): ended after $($partLimit.TotalMinutes) minutes"
                }
                Complete-Part $one
                $one.IsOver = $true
            }
            $null = $running.RemoveAll({ $args[0].IsOver })
        }
    }
    finally {
        Stop-Program @($Part.Process | Where-Object { $_ })
    }
}

function Start-Part([object] $Part) {
    # The shell becomes the program: what we hold is the program's own process.
    $arguments = @('-c', 'exec "$@" < /dev/null > "$0" 2>&1', $Part.Log) + $Part.Command
    $Part.Clock.Start()
    try {
        $Part.Process = Start-Program '/bin/sh' $arguments
    }
    catch [Management.Automation.MethodInvocationException] {
        [IO.File]::WriteAllText($Part.Log, "It cannot be started: $($_.Exception.InnerException.Message)`n")
    }
}

# Prints a part's output and counts, and returns the counts. A part that does not start, fails or passes no test is a failure too; one whose
# farm cannot be made is one in CI only.
function Complete-Part([object] $Part) {
    $code = if ($Part.Process) { $Part.Process.ExitCode } else { 127 }
    $counts = Read-Count $Part.Report
    if ([IO.File]::Exists($Part.Log)) { $Host.UI.Write([IO.File]::ReadAllText($Part.Log)) }
    Write-Line ('{0}: {1} passed, {2} failed, {3} skipped ({4:0.0} s)' -f
        $Part.Name, $counts.Passed, $counts.Failed, $counts.Skipped, $Part.Clock.Elapsed.TotalSeconds)
    if ($code -eq $noRoot -and $env:CI -ne 'true') {
        Write-Line "$($Part.Name): counted as skipped: Debian's packages of that Nix cannot be had here"
        $counts.Skipped = 1
    }
    elseif ($counts.Failed -eq 0 -and ($code -ne 0 -or $counts.Passed -eq 0)) {
        Write-Line "$($Part.Name): counted as one failure: exit code $code, $($counts.Passed) tests passed"
        $counts.Failed = 1
    }
    $counts
}

# The counts of a report: of xUnit.net's XML, or of the lines `# pass N`, `# fail N` and `# skipped N` that close a report in TAP. None
# where there is no report, or half of one.
function Read-Count([string] $Report) {
    $counts = @{ Passed = 0; Failed = 0; Skipped = 0 }
    if ($Report.EndsWith('.tap', [StringComparison]::Ordinal)) {
        if (-not [IO.File]::Exists($Report)) { return $counts }
        $text = [IO.File]::ReadAllText($Report)
        $counts.Passed, $counts.Failed, $counts.Skipped = 'pass', 'fail', 'skipped' |
            ForEach-Object { [int] [regex]::Match($text, "(?m)^# $_ (\d+)").Groups[1].Value }
        return $counts
    }
    if (-not (Test-WholeReport $Report)) { return $counts }
    foreach ($assembly in [Xml.Linq.XDocument]::Load($Report).Root.Elements('assembly')) {
        $counts.Passed += [int] $assembly.Attribute('passed').Value
        $counts.Failed += [int] $assembly.Attribute('failed').Value + [int] $assembly.Attribute('errors').Value
        $counts.Skipped += [int] $assembly.Attribute('skipped').Value
    }
    $counts
}

# Whether there is a report in XML, and all of it.
function Test-WholeReport([string] $Report) {
    [IO.File]::Exists($Report) -and [IO.File]::ReadAllText($Report).EndsWith('</assemblies>', [StringComparison]::Ordinal)
}
