# What the tests share: a pwsh of its own, as a script or a CI step is, and things to build. Imported by each file's BeforeAll.
Set-StrictMode -Version 3

$module = '/opt/NixBuildFarm/NixBuildFarm.psd1'

# What takes longer hangs: far longer than anything takes where several farms share two cores.
$limit = [timespan]::FromMinutes(15)

# A pwsh that runs, and what it writes.
class Session {
    [Diagnostics.Process] $Process
    [Threading.Tasks.Task[string]] $Output
    [Threading.Tasks.Task[string]] $Problems
}

# Starts a pwsh that has imported the module.
function Start-Pwsh {
    param(
        [Parameter(Mandatory)] [string] $Script,
        # Runs it as a script file, not as -Command.
        [switch] $File,
        [hashtable] $Environment = @{},
        # A user of the farm other than root: alice is trusted by Nix, mallory is not.
        [string] $User
    )
    # Where several farms share two cores, a builder that is well may take longer than a user waits for it.
    $text = "Import-Module $module`n`$PSDefaultParameterValues['Test-NixBuilder:TimeoutSec'] = 60`n$Script"
    $arguments = '-NoProfile', '-NonInteractive'
    if ($File) {
        $path = "$([IO.Path]::GetTempPath())session-$([guid]::NewGuid()).ps1"
        [IO.File]::WriteAllText($path, $text)
        $arguments += '-File', $path
    }
    else {
        $arguments += '-Command', $text
    }
    $program, $arguments = if ($User) { 'farm', (@('as', $User, 'pwsh') + $arguments) } else { 'pwsh', $arguments }
    $start = [Diagnostics.ProcessStartInfo]::new($program, [string[]] $arguments)
    $start.RedirectStandardOutput = $start.RedirectStandardError = $start.RedirectStandardInput = $true
    $start.Environment['NO_COLOR'] = '1'
    # What an earlier session has learnt of a builder, such as its quarantine, is not what a test is about.
    $start.Environment['XDG_STATE_HOME'] = "$([IO.Path]::GetTempPath())$(New-DerivationName state)"
    foreach ($name in $Environment.Keys) { $start.Environment[$name] = $Environment[$name] }
    $session = [Session]::new()
    $session.Process = [Diagnostics.Process]::Start($start)
    $session.Process.StandardInput.Close()
    $session.Output = $session.Process.StandardOutput.ReadToEndAsync()
    $session.Problems = $session.Process.StandardError.ReadToEndAsync()
    $session
}

# Waits for a pwsh and gives what it did. One that does not end is killed, and fails the test.
function Wait-Pwsh {
    param([Parameter(Mandatory, ValueFromPipeline)] [Session] $Session)
    try {
        $ended = $Session.Process.WaitForExit($limit)
        if (-not $ended) { $Session.Process.Kill($true) }
        $result = [pscustomobject]@{
            ExitCode = $Session.Process.ExitCode
            Output   = [string[]] @($Session.Output.Result.Split("`n", [StringSplitOptions]::RemoveEmptyEntries))
            Problems = [string[]] @($Session.Problems.Result.Split("`n", [StringSplitOptions]::RemoveEmptyEntries))
        }
        if (-not $ended) {
            throw "pwsh did not end within $limit. It wrote:`n$($result.Output -join "`n")`n$($result.Problems -join "`n")"
        }
        $result
    }
    finally {
        $Session.Process.Dispose()
    }
}

# Runs a script in a pwsh of its own.
function Invoke-Pwsh {
    param(
        [Parameter(Mandatory)] [string] $Script,
        [switch] $File,
        [hashtable] $Environment = @{},
        [string] $User
    )
    Start-Pwsh -Script $Script -File:$File -Environment $Environment -User $User | Wait-Pwsh
}

# Controls the farm; what fails fails the test.
function Invoke-Farm {
    $lines = & farm @args 2>&1
    if ($LASTEXITCODE -ne 0) { throw "farm $args failed: $lines" }
    $lines
}

# Waits until something is so, which fails the test if it is not within the limit.
function Wait-Until {
    param([Parameter(Mandatory)] [scriptblock] $Condition, [Parameter(Mandatory)] [string] $What)
    $clock = [Diagnostics.Stopwatch]::StartNew()
    # What asks a program each time costs those that it waits for more than the wait.
    while (-not (& $Condition)) {
        if ($clock.Elapsed -gt $limit) { throw "Not so within ${limit}: $What" }
        Start-Sleep -Milliseconds 300
    }
}

# A name that nothing else has, in whatever file of tests.
function New-DerivationName([string] $Prefix = 'case') { "$Prefix-$([guid]::NewGuid().ToString('n').Substring(0, 12))" }

# Writes a Nix file of derivations that nobody has built, and gives its path; each of -Package is a name and the command that builds it.
function New-NixFile {
    param([hashtable] $Package = @{ one = 'echo > $out' }, [string] $System = 'x86_64-linux')
    $lines = foreach ($name in $Package.Keys) {
        ("  $name = derivation {`n    name = `"$(New-DerivationName $name)`"; system = `"$System`"; builder = `"/bin/sh`"; " +
            "PATH = `"/usr/bin:/bin`";`n") +
            "    args = [ `"-c`" ''$($Package[$name])'' ];`n  };"
    }
    $path = "$([IO.Path]::GetTempPath())$(New-DerivationName file).nix"
    [IO.File]::WriteAllText($path, "rec {`n$($lines -join "`n")`n}`n")
    $path
}

# A command that builds when /tmp/MARK is there, on the machine that builds; Open-Gate makes it.
function Get-GatedCommand([string] $Mark) { "until test -e /tmp/$Mark; do sleep 0.2; done; echo > `$out" }

function Open-Gate([string] $Mark, [string[]] $On) {
    foreach ($name in $On) { $null = Invoke-Farm exec $name touch "/tmp/$Mark" }
}

# How many builds with that mark run on a machine.
function Measure-Gated([string] $Mark, [string] $On) {
    # In brackets, so that what looks does not find itself. The coordinator sees the processes of all.
    $pattern = "/tmp/[$($Mark[0])]$($Mark.Substring(1));"
    [int] (Invoke-Farm exec $On sh -c "grep -slE '$pattern' /proc/[0-9]*/cmdline | wc -l")
}

Export-ModuleMember -Function @(
    'Start-Pwsh', 'Wait-Pwsh', 'Invoke-Pwsh', 'Invoke-Farm', 'Wait-Until'
    'New-DerivationName', 'New-NixFile', 'Get-GatedCommand', 'Open-Gate', 'Measure-Gated'
)
