# What the tests share: a pwsh of its own, as a script or a CI step is, and things to build. Imported by each file's BeforeAll.
Set-StrictMode -Version 3

$module = '/opt/NixBuildFarm/NixBuildFarm.psd1'
$count = 0

# What a user's pwsh did: its exit code, and the lines of its two streams without colours.
class Session {
    [Diagnostics.Process] $Process
    [Threading.Tasks.Task[string]] $Output
    [Threading.Tasks.Task[string]] $Problems
}

# Starts a pwsh that has imported the module, and has no history but that of -State. -Limit of Wait-Pwsh ends it.
function Start-Pwsh {
    param(
        [Parameter(Mandatory)] [string] $Script,
        # Runs it as a script file, not as -Command.
        [switch] $File,
        [hashtable] $Environment = @{},
        # A user of the farm other than root: alice is trusted by Nix, mallory is not.
        [string] $User
    )
    $text = "Import-Module $module`n$Script"
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
    param([Parameter(Mandatory, ValueFromPipeline)] [Session] $Session, [int] $LimitSeconds = 120)
    try {
        $ended = $Session.Process.WaitForExit($LimitSeconds * 1000)
        if (-not $ended) { $Session.Process.Kill($true) }
        $result = [pscustomobject]@{
            ExitCode = $Session.Process.ExitCode
            Output   = [string[]] @($Session.Output.Result.Split("`n", [StringSplitOptions]::RemoveEmptyEntries))
            Problems = [string[]] @($Session.Problems.Result.Split("`n", [StringSplitOptions]::RemoveEmptyEntries))
        }
        if (-not $ended) { throw "pwsh did not end within $LimitSeconds s. It wrote:`n$($result.Output -join "`n")`n$($result.Problems -join "`n")" }
        $result
    }
    finally {
        $Session.Process.Dispose()
    }
}

# Runs a script in a pwsh of its own.
function Invoke-Pwsh {
    param([Parameter(Mandatory)] [string] $Script, [switch] $File, [hashtable] $Environment = @{}, [string] $User, [int] $LimitSeconds = 120)
    Start-Pwsh -Script $Script -File:$File -Environment $Environment -User $User | Wait-Pwsh -LimitSeconds $LimitSeconds
}

# Controls the farm; what fails fails the test.
function Invoke-Farm {
    $lines = & farm @args 2>&1
    if ($LASTEXITCODE -ne 0) { throw "farm $args failed: $lines" }
    $lines
}

# Waits until something is so, which fails the test if it takes a minute.
function Wait-Until {
    param([Parameter(Mandatory)] [scriptblock] $Condition, [Parameter(Mandatory)] [string] $What)
    $clock = [Diagnostics.Stopwatch]::StartNew()
    while (-not (& $Condition)) {
        if ($clock.Elapsed.TotalSeconds -gt 60) { throw "Not so after a minute: $What" }
        Start-Sleep -Milliseconds 100
    }
}

# A name that no derivation has had.
function New-DerivationName([string] $Prefix = 'case') {
    $script:count++
    "$Prefix-$PID-$script:count"
}

# Writes a Nix file of derivations that nobody has built, and gives its path. Each of -Package is name = command;
# {0} in an expression of -Text is the name of a new derivation.
function New-NixFile {
    param([hashtable] $Package = @{}, [string] $System = 'x86_64-linux', [string] $Folder = (Get-PSDrive TestDrive).Root)
    $lines = foreach ($name in $Package.Keys) {
        "  $name = derivation { name = `"$(New-DerivationName $name)`"; system = `"$System`"; builder = `"/bin/sh`"; " +
            "PATH = `"/usr/bin:/bin`"; args = [ `"-c`" `"$($Package[$name].Replace('"', '\"'))`" ]; };"
    }
    $path = "$Folder/$(New-DerivationName file).nix"
    [IO.File]::WriteAllText($path, "rec {`n$($lines -join "`n")`n}`n")
    $path
}

Export-ModuleMember -Function Start-Pwsh, Wait-Pwsh, Invoke-Pwsh, Invoke-Farm, Wait-Until, New-DerivationName, New-NixFile
