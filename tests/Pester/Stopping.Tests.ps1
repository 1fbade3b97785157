# Ctrl-C and other signals to a pwsh that builds. How soon the prompt is back is measured elsewhere: here it is back.
BeforeAll {
    Import-Module "$PSScriptRoot/FarmSession.psm1" -Force

    function Send-Signal($Session, [string] $Signal) { & kill "-$Signal" $Session.Process.Id }

    # A pwsh that builds on kana and in whose build kana is by now.
    function Start-Building([string] $Mark, [switch] $File, [string] $State = "$TestDrive/state") {
        $path = New-NixFile @{ slow = Get-GatedCommand $Mark }
        $session = Start-Pwsh -File:$File -Environment @{ XDG_STATE_HOME = $State } ("Invoke-NixDistributedBuild -Path $path -Builder " +
            "kana -InformationAction Ignore; 'went on'")
        Wait-Until { (Measure-Gated $Mark kana) -gt 0 } 'kana builds'
        $session
    }
}

Describe 'A pwsh that builds' {
    It 'is ended by SIG<Signal> in <How>, and its builds with it' -ForEach @(
        @{ Signal = 'INT'; How = '-Command'; File = $false }
        @{ Signal = 'INT'; How = '-File'; File = $true }
        @{ Signal = 'TERM'; How = '-File'; File = $true }
    ) {
        $mark = New-DerivationName gate
        $session = Start-Building $mark -File:$File
        Send-Signal $session $Signal
        $run = $session | Wait-Pwsh
        $run.Output | Should -Not -Contain 'went on'
        # After Ctrl-C, pwsh itself ends a -File with 0.
        if (-not ($File -and $Signal -eq 'INT')) { $run.ExitCode | Should -Not -Be 0 }
        Wait-Until { (Measure-Gated $mark kana) -eq 0 } 'the build on kana has ended'
    }

    It 'is ended by Ctrl-C although its builder is frozen' {
        $mark = New-DerivationName gate
        $session = Start-Building $mark
        Invoke-Farm freeze kana
        try {
            Send-Signal $session INT
            $session | Wait-Pwsh
        }
        finally { Invoke-Farm thaw kana }
        Wait-Until { (Measure-Gated $mark kana) -eq 0 } 'the build on kana has ended'
    }

    It 'is in the history after SIG<_>' -ForEach 'INT', 'TERM', 'KILL' {
        $state = "$TestDrive/ended-by-$_"
        $mark = New-DerivationName gate
        $session = Start-Building $mark -State $state
        Send-Signal $session $_
        $session | Wait-Pwsh
        $run = Invoke-Pwsh -Environment @{ XDG_STATE_HOME = $state } '@(Get-NixBuild).Count; "$((Get-NixBuild -Last 1).State)"'
        $run.Output[0] | Should -Be '1'
        $run.Output[1] | Should -Not -BeIn 'Succeeded', 'Failed', 'Running'
    }
}
