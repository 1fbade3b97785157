# Logins that the ssh program manages, or whose failure it explains, and that failed here once.
BeforeAll {
    Import-Module "$PSScriptRoot/../FarmSession.psm1" -Force
    $keys = '/root/.ssh'

    # Each has a pwsh of its own: nothing of a login is remembered from one test to the next.
    function Test-Login([string] $List, [hashtable] $Environment = @{}, [string] $Name = 'aquamarine') {
        $path = if ($List) { "-Path $List" }
        $run = Invoke-Pwsh -Environment $Environment ("`$t = Get-NixBuilder $Name $path | Test-NixBuilder; `"`$(`$t.State)`"; " +
            "foreach (`$f in `$t.Findings) { `"`$(`$f.Message) `$(`$f.Recommendation)`" }")
        [pscustomobject]@{ State = $run.Output[0]; Told = "$($run.Output | Select-Object -Skip 1) $($run.Problems)" }
    }

    # What a build on aquamarine alone says.
    function Get-BuildTrouble([string] $Options) {
        $run = Invoke-Pwsh ("`$r = Invoke-NixDistributedBuild -Path $(New-NixFile) -Builder aquamarine $Options -InformationAction " +
            "Ignore -WarningVariable w -ErrorVariable e -ErrorAction SilentlyContinue; " +
            "foreach (`$one in `$e) { `"`$(`$one.Exception.Message) `$(`$one.ErrorDetails.RecommendedAction)`" }; `"`$w`"")
        "$($run.Output) $($run.Problems)"
    }

    # An agent that holds the keys given, and the environment that names it.
    function Start-Agent([string[]] $Key) {
        $socket = "/tmp/$(New-DerivationName agent)"
        $null = ssh-agent -a $socket
        $environment = @{ SSH_AUTH_SOCK = $socket; SSH_ASKPASS = "$TestDrive/askpass"; SSH_ASKPASS_REQUIRE = 'force' }
        foreach ($one in $Key) {
            & env @($environment.Keys | ForEach-Object { "$_=$($environment[$_])" }) ssh-add -q $one 2>$null
            if ($LASTEXITCODE -ne 0) { throw "ssh-add $one failed." }
        }
        $environment
    }

    function Stop-Agent([hashtable] $Environment) {
        foreach ($folder in Get-ChildItem /proc -Directory -Filter '[0-9]*') {
            $line = [IO.File]::ReadAllText("$folder/cmdline") -replace "`0", ' '
            if ($line -like "ssh-agent*$($Environment.SSH_AUTH_SOCK)*") { kill $folder.Name }
        }
    }

    Set-Content "$TestDrive/askpass" '#!/bin/sh', 'echo secret words'
    chmod +x "$TestDrive/askpass"
}

Describe 'A key that only the agent has' {
    AfterEach { if (Test-Path "$keys/config") { Remove-Item "$keys/config" } }

    BeforeAll {
        $agent = Start-Agent "$keys/id_ed25519"
        Move-Item "$keys/id_ed25519" "$keys/away"
    }

    AfterAll {
        Move-Item "$keys/away" "$keys/id_ed25519"
        Stop-Agent $agent
    }

    It 'is found by <_>, with IdentitiesOnly' -ForEach 'id_ed25519.pub', 'id_ed25519' {
        Set-Content "$keys/config" 'Host *', ' IdentitiesOnly yes', " IdentityFile ~/.ssh/$_"
        & env "SSH_AUTH_SOCK=$($agent.SSH_AUTH_SOCK)" ssh -o BatchMode=yes root@aquamarine true
        $LASTEXITCODE | Should -Be 0 -Because 'ssh itself logs in'
        (Test-Login -Environment $agent).State | Should -Be 'Online'
    }
}

Describe 'A key file of the list that cannot be used' {
    BeforeAll {
        ssh-keygen -q -t rsa -b 2048 -m PEM -N 'secret words' -f "$TestDrive/pem"
        Get-Content "$TestDrive/pem.pub" | & farm exec aquamarine sh -c 'cat >> /etc/ssh/authorized_keys'
        Copy-Item "$keys/id_ed25519.pub" "$TestDrive/only.pub"
        $agent = Start-Agent "$TestDrive/pem", "$keys/id_ed25519"
    }

    AfterAll { Stop-Agent $agent }

    It 'does not keep the agent from logging in: <What>' -ForEach @(
        @{ What = 'encrypted'; File = 'pem' }
        @{ What = 'missing'; File = 'gone' }
        @{ What = 'a public key'; File = 'only.pub' }
    ) {
        $key = Invoke-Farm exec aquamarine base64 -w0 /etc/ssh/ssh_host_ed25519_key.pub
        Set-Content "$TestDrive/list" "ssh-ng://root@aquamarine x86_64-linux $TestDrive/$File 2 1 - - $key"
        (Test-Login -List "$TestDrive/list" -Environment $agent).State | Should -Be 'Online'
    }

    It 'does not keep alice from logging in by her agent when it is root''s' {
        $key = Invoke-Farm exec aquamarine base64 -w0 /etc/ssh/ssh_host_ed25519_key.pub
        Set-Content /tmp/list "ssh-ng://root@aquamarine x86_64-linux /etc/nix/builder-key 2 1 - - $key"
        # An agent answers its own user only.
        $own = @{ SSH_AUTH_SOCK = "/tmp/$(New-DerivationName agent)" }
        $key = "/tmp/$(New-DerivationName key)"
        Copy-Item "$keys/id_ed25519" $key
        chown alice $key
        chmod 600 $key
        $null = Invoke-Farm as alice ssh-agent -a $own.SSH_AUTH_SOCK
        $null = Invoke-Farm as alice env "SSH_AUTH_SOCK=$($own.SSH_AUTH_SOCK)" ssh-add -q $key
        try {
            $run = Invoke-Pwsh -User alice ("`$env:SSH_AUTH_SOCK = '$($own.SSH_AUTH_SOCK)'; " +
                "`"`$((Get-NixBuilder -Path /tmp/list aquamarine | Test-NixBuilder).State)`"")
        }
        finally { Stop-Agent $own }
        $run.Output | Should -Be 'Online'
    }

    It 'is never to be made readable, when there is no other way in' {
        $key = Invoke-Farm exec aquamarine base64 -w0 /etc/ssh/ssh_host_ed25519_key.pub
        Set-Content /tmp/list "ssh-ng://root@aquamarine x86_64-linux /etc/nix/builder-key 2 1 - - $key"
        $run = Invoke-Pwsh -User mallory ("mv ~/.ssh/id_ed25519 ~/.ssh/away; try { `$t = Get-NixBuilder -Path /tmp/list aquamarine | " +
            "Test-NixBuilder } finally { mv ~/.ssh/away ~/.ssh/id_ed25519 }; `"`$(`$t.State)`"; " +
            "`"`$(`$t.Findings.Message) `$(`$t.Findings.Recommendation)`"")
        $run.Output[0] | Should -Not -Be 'Unreachable' -Because 'the machine answers'
        "$($run.Output)" | Should -Not -Match 'make it readable'
        "$($run.Output)" | Should -Match '-IdentityFile'
    }
}

Describe 'A machine that takes 12 s to wake' {
    AfterEach { if (Test-Path "$keys/config") { Remove-Item "$keys/config" } }

    It 'is waited for as long as ConnectTimeout says' {
        Set-Content "$TestDrive/wake.sh" '#!/bin/bash', 'sleep 12; exec 3<>/dev/tcp/$1/$2; cat <&3 & cat >&3; kill %1'
        chmod +x "$TestDrive/wake.sh"
        $address = (Invoke-Farm list | Select-String '^aquamarine\s+(\S+)').Matches[0].Groups[1].Value
        Set-Content "$keys/config" 'Host aquamarine', ' ConnectTimeout 60', " ProxyCommand $TestDrive/wake.sh $address 22"
        $run = Invoke-Pwsh "(Invoke-NixDistributedBuild -Path $(New-NixFile) -Builder aquamarine -InformationAction Ignore).Status"
        $run.Output | Should -Be 'Built'
        $run.Problems | Should -BeNullOrEmpty
    }
}

Describe 'What is said of a login that fails' {
    AfterEach { if (Test-Path "$keys/config") { Remove-Item "$keys/config" } }

    It 'advises a file that keeps, where UserKnownHostsFile is /dev/null' {
        Copy-Item /etc/nix/machines "$TestDrive/machines"
        $known = Get-Content /etc/ssh/ssh_known_hosts -Raw
        [IO.File]::WriteAllText('/etc/nix/machines', "ssh-ng://root@aquamarine x86_64-linux`n")
        [IO.File]::WriteAllText('/etc/ssh/ssh_known_hosts', '')
        Set-Content "$keys/config" 'Host *', ' StrictHostKeyChecking no', ' UserKnownHostsFile /dev/null'
        try { $told = Get-BuildTrouble }
        finally {
            Copy-Item "$TestDrive/machines" /etc/nix/machines
            [IO.File]::WriteAllText('/etc/ssh/ssh_known_hosts', $known)
        }
        $told | Should -Match 'UserKnownHostsFile'
        $told | Should -Match '\.ssh/known_hosts'
        $told | Should -Match 'StrictHostKeyChecking'
    }

    It 'has the ProxyCommand''s own words' {
        Set-Content "$keys/config" 'Host *', ' ProxyCommand sh -c "echo Session expired, run: corp login >&2; exit 1"'
        Get-BuildTrouble | Should -Match 'Session expired, run: corp login'
    }

    It 'names a daemon that is stopped' {
        Invoke-Farm add stopped --user nix
        try {
            Invoke-Farm daemon-kill stopped
            $told = (Test-Login -Name stopped).Told
        }
        finally { Invoke-Farm remove stopped }
        $told | Should -Match 'daemon'
        $told | Should -Not -Match 'in the PATH'
    }
}
