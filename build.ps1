#requires -Version 7.4
<#
.SYNOPSIS
    Builds, tests and shows NixBuildFarm. `./build.sh TASK` runs this where there is no pwsh.
.DESCRIPTION
    Setup   installs what the farm and the tests of the report need (Debian, as root); says what is missing elsewhere
    Build   lays out the module in out/NixBuildFarm
    Test    runs every test, those of the farm in a farm on this machine; ends with: N passed, N failed, N skipped
    Fuzz    feeds broken input to every parser of foreign bytes; `Fuzz --seconds N` for each (60), `--seed N` (a random one)
    Demo    shows the module at work on a farm on this machine
    Bench   measures, and prints a table of docs/benchmarks.md: `Bench scheduler [--graphs DIR]` of the scheduler in simulation,
            `Bench parts [--derivations DIR]` of parsers and protocol, `Bench session [--runs N]` of what one waits for at the prompt,
            `Bench supply` of transfers and `Bench farm [--runs N] [--case WORDS] [--json FILE]` of whole builds beside stock Nix,
            on a farm on this machine; without --case the last one replaces its table in that file
    Docs    brings docs/en-US up to date with the cmdlets: syntax, and the properties of parameters
    Package makes a package in out/package that Install-PSResource takes from a folder; says how
    Clean   deletes out/
#>
param(
    [string] $Task = 'Build',
    [Parameter(ValueFromRemainingArguments)]
    [string[]] $Rest = @()
)
Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'

$root = $PSScriptRoot
$out = "$root/out"
$withFarm = "$root/tests/Farm/with-farm.sh"
$tasks = 'Setup', 'Build', 'Test', 'Fuzz', 'Demo', 'Bench', 'Docs', 'Package', 'Clean'

# No process is to stay behind.
$env:MSBUILDDISABLENODEREUSE = '1'
$env:DOTNET_CLI_USE_MSBUILD_SERVER = '0'
$env:UseSharedCompilation = 'false'
$env:DOTNET_NOLOGO = '1'

function Write-Line([string] $Text) { $Host.UI.WriteLine($Text) }

function Test-Program([string] $Name) {
    (Get-Command $Name -CommandType Application -ErrorAction Ignore) -or [IO.File]::Exists("/usr/sbin/$Name")
}

# Runs a program on our own standard streams and returns its exit code. It ends with us, also by Ctrl-C.
function Invoke-Program([string] $Program, [string[]] $ArgumentList) {
    $process = [Diagnostics.Process]::Start([Diagnostics.ProcessStartInfo]::new($Program, $ArgumentList))
    try {
        while (-not $process.WaitForExit(100)) { }
        $process.ExitCode
    }
    finally {
        # Ctrl-C has reached it as well: it may clean up.
        if (-not $process.WaitForExit(5000)) { $process.Kill($true) }
        $process.Dispose()
    }
}

function Invoke-Checked([string] $Program, [string[]] $ArgumentList) {
    $code = Invoke-Program $Program $ArgumentList
    if ($code -ne 0) { throw "$Program $($ArgumentList[0]) failed with exit code $code." }
}

# Runs the pwsh of tools/NixBuildFarm.PowerShell, whichever runs this, and returns its exit code.
function Invoke-PowerShell([string[]] $ArgumentList) {
    Invoke-Program dotnet (@('exec', "$out/pwsh/pwsh.dll", '-NoProfile') + $ArgumentList)
}

function Invoke-Setup {
    $packages = [ordered]@{
        'nix-daemon' = 'nix-bin'
        'sshd'       = 'openssh-server'
        'ssh'        = 'openssh-client'
        'ip'         = 'iproute2'
        'busybox'    = 'busybox-static'
    }
    Install-Missing $packages
    try {
        Install-Missing ([ordered]@{ 'qemu-aarch64-static' = 'qemu-user-static' }) -Optional
    }
    catch [Management.Automation.RuntimeException] {
        Write-Line "The tests of emulated systems will be left out: $_"
    }
    try {
        Install-Missing ([ordered]@{ 'node' = 'nodejs'; 'npm' = 'npm'; 'chromium' = 'chromium' }) -Optional
    }
    catch [Management.Automation.RuntimeException] {
        Write-Line "The tests of the report will be left out: $_"
    }
}

# Installs the Debian packages of programs that are not there. What is optional is left out where that cannot be done.
function Install-Missing([System.Collections.Specialized.OrderedDictionary] $Packages, [switch] $Optional) {
    $missing = @($Packages.Keys | Where-Object { -not (Test-Program $_) } | ForEach-Object { $Packages[$_] })
    if ($missing.Count -eq 0) { return }
    if ([Environment]::UserName -ne 'root' -or -not (Test-Program 'apt-get')) {
        if ($Optional) { return }
        throw "Not installed: $missing. Install them (on Debian, as root: apt-get install $missing), or run this as root on Debian."
    }

    Write-Line "Installing $missing"
    $env:DEBIAN_FRONTEND = 'noninteractive'
    # Debian starts the services that a package brings, unless this file forbids it.
    $policy = '/usr/sbin/policy-rc.d'
    $policyIsOurs = -not [IO.File]::Exists($policy)
    try {
        if ($policyIsOurs) {
            [IO.File]::WriteAllText($policy, "#!/bin/sh`nexit 101`n")
            [IO.File]::SetUnixFileMode($policy, 'UserRead,UserWrite,UserExecute')
        }
        Invoke-Checked apt-get 'update', '--quiet'
        Invoke-Checked apt-get (@('install', '--quiet', '--yes', '--no-install-recommends') + $missing)
    }
    finally {
        if ($policyIsOurs) { [IO.File]::Delete($policy) }
    }
    if ($missing -contains 'openssh-server' -and [IO.Directory]::Exists('/run/systemd/system')) {
        Invoke-Checked systemctl 'disable', '--quiet', 'ssh.service'    # nor at the next start of the machine
    }
}

function Invoke-Build {
    Invoke-Checked dotnet 'build', "$root/NixBuildFarm.sln", '--configuration', 'Release', '--nologo', '--verbosity', 'minimal'
}

# Runs the program of one test project and returns its counts from the report that it writes.
function Invoke-TestProgram([string] $Name) {
    $program = "$out/build/bin/$Name/release/$Name.dll"
    $report = "$out/test-results/$Name.xml"
    $counts = @{ Passed = 0; Failed = 0; Skipped = 0 }
    if (-not [IO.File]::Exists($program)) {
        Write-Line "${Name}: not built; is it in NixBuildFarm.sln?"
        $counts.Failed = 1
        return $counts
    }

    # A test that runs for a minute is named, so that one which hangs is known.
    $arguments = 'exec', $program, '-noLogo', '-noColor', '-reporter', 'quiet', '-longRunning', '60', '-result-xml', $report
    $code = if ($Name -eq 'NixBuildFarm.Farm.Tests') { Invoke-Program $withFarm (@('--', 'dotnet') + $arguments) }
            else { Invoke-Program dotnet $arguments }

    $seconds = 0
    if ([IO.File]::Exists($report)) {
        foreach ($assembly in [Xml.Linq.XDocument]::Load($report).Root.Elements('assembly')) {
            $counts.Passed += [int] $assembly.Attribute('passed').Value
            $counts.Failed += [int] $assembly.Attribute('failed').Value + [int] $assembly.Attribute('errors').Value
            $counts.Skipped += [int] $assembly.Attribute('skipped').Value
            $seconds += [double] $assembly.Attribute('time').Value
        }
    }
    Complete-Count $Name $code $counts $seconds
}

# Says what the tests of one project came to, and returns it. That their program failed, or that none passed, is a failure too.
function Complete-Count([string] $Name, [int] $Code, [hashtable] $Counts, [double] $Seconds) {
    Write-Line ('{0}: {1} passed, {2} failed, {3} skipped ({4:0.0} s)' -f $Name, $Counts.Passed, $Counts.Failed, $Counts.Skipped, $Seconds)
    if ($Counts.Failed -eq 0 -and ($Code -ne 0 -or $Counts.Passed -eq 0)) {
        Write-Line "${Name}: counted as one failure: exit code $Code, $($Counts.Passed) tests passed"
        $Counts.Failed = 1
    }
    $Counts
}

# The tests in pwsh, as a user meets the module.
function Invoke-PesterTests {
    $report = "$out/test-results/Pester.txt"
    $clock = [Diagnostics.Stopwatch]::StartNew()
    $code = Invoke-Program $withFarm '--', 'pwsh', '-NoProfile', '-NonInteractive', '-File', "$root/tests/Pester/Invoke-Tests.ps1", '-Report', $report
    $counts = @{ Passed = 0; Failed = 0; Skipped = 0 }
    if ([IO.File]::Exists($report)) {
        $counts.Passed, $counts.Failed, $counts.Skipped = [int[]] [IO.File]::ReadAllText($report).Split(' ')
    }
    Complete-Count 'tests/Pester' $code $counts $clock.Elapsed.TotalSeconds
}

# The tests of the report: of its modules in node, of the page in a browser without a window.
function Invoke-ReportTests {
    $counts = @{ Passed = 0; Failed = 0; Skipped = 0 }
    $missing = @('node', 'npm', 'chromium' | Where-Object { -not (Test-Program $_) })
    if ($missing.Count -gt 0) {
        Write-Line "tests/Report: not run, not installed here: $missing"
        return $counts
    }

    # npm writes beside its package file: it works on a copy. The modules of the page are tested without the page as well.
    $folder = "$out/report-tests"
    if ([IO.Directory]::Exists("$folder/Page")) { [IO.Directory]::Delete("$folder/Page", $true) }
    $null = [IO.Directory]::CreateDirectory("$folder/Page")
    foreach ($file in [IO.Directory]::GetFiles("$root/tests/Report")) { [IO.File]::Copy($file, "$folder/$([IO.Path]::GetFileName($file))", $true) }
    foreach ($file in [IO.Directory]::GetFiles("$root/src/NixBuildFarm.Core/Reporting/Page", '*.js')) {
        [IO.File]::Copy($file, "$folder/Page/$([IO.Path]::GetFileName($file))", $true)
    }
    $samples = "$out/report-samples"
    $env:PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD = '1'
    $env:REPORT_SAMPLES = $samples
    $env:CHROMIUM = (Get-Command chromium -CommandType Application)[0].Source
    $report = "$out/test-results/Report.tap"
    $clock = [Diagnostics.Stopwatch]::StartNew()
    $code = Invoke-Program npm 'ci', '--prefix', $folder, '--no-audit', '--no-fund', '--loglevel', 'error'
    if ($code -eq 0) { $code = Invoke-PowerShell '-File', "$root/tests/Report/samples.ps1", "$out/NixBuildFarm", $samples }
    if ($code -eq 0) {
        $code = Invoke-Program node '--test', '--test-reporter=spec', '--test-reporter-destination=stdout', '--test-reporter=tap',
            "--test-reporter-destination=$report", "$folder/layout.test.mjs", "$folder/report.test.mjs"
    }
    if ([IO.File]::Exists($report)) {
        $text = [IO.File]::ReadAllText($report)
        foreach ($pair in @(@('Passed', 'pass'), @('Failed', 'fail'), @('Skipped', 'skipped'))) {
            $counts[$pair[0]] = [int] [regex]::Match($text, "(?m)^# $($pair[1]) (\d+)").Groups[1].Value
        }
    }
    Complete-Count 'tests/Report' $code $counts $clock.Elapsed.TotalSeconds
}

function Invoke-Test {
    Invoke-Setup
    Invoke-Build
    if ([IO.Directory]::Exists("$out/test-results")) { [IO.Directory]::Delete("$out/test-results", $true) }
    $null = [IO.Directory]::CreateDirectory("$out/test-results")

    $names = [IO.Directory]::GetDirectories("$root/tests", 'NixBuildFarm.*.Tests') | ForEach-Object { [IO.Path]::GetFileName($_) }
    [Array]::Sort($names)
    $all = @(foreach ($name in $names) { Invoke-TestProgram $name }) + @(Invoke-ReportTests) + @(Invoke-PesterTests)

    $passed = $failed = $skipped = 0
    foreach ($counts in $all) {
        $passed += $counts.Passed
        $failed += $counts.Failed
        $skipped += $counts.Skipped
    }
    Write-Line "$passed passed, $failed failed, $skipped skipped"
    if ($failed -gt 0) { exit 1 }
}

# Value of an option among the rest of the command line.
function Get-Option([string] $Name, [string] $Default) {
    $at = [Array]::IndexOf($Rest, $Name)
    if ($at -lt 0) { return $Default }
    $value = if ($at + 1 -lt $Rest.Count) { $Rest[$at + 1] }
    if ($value -notmatch '^[0-9]{1,9}$') { throw "$Name needs a number." }
    $value
}

function Invoke-Fuzz {
    $env:NIXBUILDFARM_FUZZ_SECONDS = Get-Option '--seconds' '60'
    $env:NIXBUILDFARM_FUZZ_SEED = Get-Option '--seed' ([Random]::new().Next(1, 1000000))
    Invoke-Build
    Write-Line "Seed $env:NIXBUILDFARM_FUZZ_SEED, $env:NIXBUILDFARM_FUZZ_SECONDS s for each parser"
    exit (Invoke-Program dotnet 'exec', "$out/build/bin/NixBuildFarm.Fuzz.Tests/release/NixBuildFarm.Fuzz.Tests.dll", '-noLogo', '-noColor')
}

function Invoke-Demo {
    $demo = "$root/tests/Farm/demo.ps1"
    if (-not [IO.File]::Exists($demo)) { throw "There is no demo yet: $demo does not exist." }
    Invoke-Setup
    Invoke-Build
    exit (Invoke-Program $withFarm '--', 'pwsh', '-NoProfile', '-File', $demo)
}

function Invoke-Bench {
    $run = 'exec', "$out/build/bin/NixBuildFarm.Bench/release/NixBuildFarm.Bench.dll"
    $kind = if ($Rest.Count -gt 0) { $Rest[0] }
    # Side by side with stock Nix, on real hosts.
    $farm = switch ($kind) {
        'supply' { '--size', '6g', '--' }
        'session' { '--' }
        'farm' { '--builders', 'aquamarine=2,ruby=2,kana=2', '--slots', '4', '--' }
    }
    if ($farm) { Invoke-Setup }
    Invoke-Build
    if (-not $farm) { exit (Invoke-Program dotnet ($run + $Rest)) }
    $module = if ($kind -in 'farm', 'session') { '--module', '/opt/NixBuildFarm/NixBuildFarm.psd1' }
    # All cases make the table; some of them would leave half of one.
    $document = if ($kind -eq 'farm' -and $Rest -notcontains '--case') { '--into', "$root/docs/benchmarks.md" }
    exit (Invoke-Program $withFarm (@($farm) + 'dotnet' + $run + $Rest + @($module) + @($document)))
}

function Invoke-Docs {
    Invoke-Build
    $code = Invoke-PowerShell '-File', "$root/tools/Update-HelpPage.ps1", "$out/NixBuildFarm", "$root/docs/en-US"
    if ($code -ne 0) { throw "tools/Update-HelpPage.ps1 failed with exit code $code." }
}

# The newest part of the changelog, as plain text.
function Get-ReleaseNote {
    $match = [regex]::Match([IO.File]::ReadAllText("$root/CHANGELOG.md"), '(?ms)^## [^\n]*\n+(.*?)(?=^## |\z)')
    if (-not $match.Success) { throw 'CHANGELOG.md has no part to make release notes of.' }
    $match.Groups[1].Value.Trim()
}

function Invoke-Package {
    Invoke-Build
    $manifest = [scriptblock]::Create([IO.File]::ReadAllText("$root/NixBuildFarm.psd1")).InvokeReturnAsIs()
    $folder = "$out/package"
    if ([IO.Directory]::Exists($folder)) { [IO.Directory]::Delete($folder, $true) }
    $null = [IO.Directory]::CreateDirectory($folder)

    $text = { param($Value) [Security.SecurityElement]::Escape($Value) }
    $commands = ($manifest.CmdletsToExport | ForEach-Object { "PSCmdlet_$_ PSCommand_$_" }) -join ' '
    $nuspec = @"
<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://schemas.microsoft.com/packaging/2011/10/nuspec.xsd">
  <metadata>
    <id>NixBuildFarm</id>
    <version>$($manifest.ModuleVersion)</version>
    <authors>$(& $text $manifest.Author)</authors>
    <copyright>$(& $text $manifest.Copyright)</copyright>
    <description>$(& $text $manifest.Description)</description>
    <releaseNotes>$(& $text (Get-ReleaseNote))</releaseNotes>
    <license type="expression">MIT</license>
    <tags>PSModule PSEdition_Core $commands $($manifest.PrivateData.PSData.Tags -join ' ')</tags>
  </metadata>
  <files>
    <file src="**/*" exclude="NixBuildFarm.psd1" />
    <file src="$folder/NixBuildFarm.psd1" target="" />
  </files>
</package>
"@
    [IO.File]::WriteAllText("$folder/NixBuildFarm.nuspec", $nuspec)
    # Get-InstalledPSResource shows what the manifest says.
    $notes = [regex]::new("(?m)^( *ReleaseNotes += )'.*'$")
    $manifestText = [IO.File]::ReadAllText("$root/NixBuildFarm.psd1")
    if ($notes.Matches($manifestText).Count -ne 1) { throw 'NixBuildFarm.psd1 has no line for the release notes.' }
    $quoted = "'" + (Get-ReleaseNote).Replace("'", "''") + "'"
    [IO.File]::WriteAllText("$folder/NixBuildFarm.psd1", $notes.Replace($manifestText, { $args[0].Groups[1].Value + $quoted }))
    Invoke-Checked dotnet 'pack', "$root/src/NixBuildFarm/NixBuildFarm.csproj", '--configuration', 'Release', '--no-build', '--nologo', '--verbosity', 'quiet',
        '--output', $folder, "-p:NuspecFile=$folder/NixBuildFarm.nuspec", "-p:NuspecBasePath=$out/NixBuildFarm", '-p:NoWarn=NU5100%3bNU5110%3bNU5111%3bNU5128'
    [IO.File]::Delete("$folder/NixBuildFarm.nuspec")
    [IO.File]::Delete("$folder/NixBuildFarm.psd1")

    # What was made is what is tried: unpacked, and imported by another process.
    $package = "$folder/NixBuildFarm.$($manifest.ModuleVersion).nupkg"
    $trial = "$out/package-trial/NixBuildFarm"
    if ([IO.Directory]::Exists($trial)) { [IO.Directory]::Delete($trial, $true) }
    [IO.Compression.ZipFile]::ExtractToDirectory($package, $trial)
    $code = Invoke-PowerShell '-Command', "`$ErrorActionPreference = 'Stop'; Import-Module '$trial/NixBuildFarm.psd1'; if (@(Get-Command -Module NixBuildFarm).Count -ne $($manifest.CmdletsToExport.Count)) { throw 'The package lacks cmdlets.' }; if ((Get-Module NixBuildFarm).ReleaseNotes.Length -lt 200) { throw 'The package lacks its release notes.' }; if (-not (Get-Help Get-NixBuild).Synopsis.EndsWith('.')) { throw 'The package lacks its help.' }"
    if ($code -ne 0) { throw "The package does not work: its trial failed with exit code $code." }
    Write-Line "$package"
    Write-Line "Install it: Register-PSResourceRepository -Name NixBuildFarm -Uri $folder -Trusted; Install-PSResource NixBuildFarm -Repository NixBuildFarm"
}

function Invoke-Clean {
    if ([IO.Directory]::Exists($out)) { [IO.Directory]::Delete($out, $true) }
}

if ($Task -notin $tasks) {
    [Console]::Error.WriteLine("build: there is no task $Task. Tasks: $tasks")
    exit 64
}
try {
    & "Invoke-$Task"
}
catch [Management.Automation.RuntimeException] {
    # What we throw is for the person reading it; anything else is a defect of this script and keeps its position.
    if ($_.Exception.GetType() -ne [Management.Automation.RuntimeException]) { throw }
    [Console]::Error.WriteLine("build: $_")
    exit 1
}
