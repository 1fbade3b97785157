using System.Buffers.Binary;
using System.Text;
using CsCheck;
using NixBuildFarm.Ssh.Identities;

namespace NixBuildFarm.Ssh.Tests.Identities;

public sealed class OpenSshKeyHeaderTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory();

    public void Dispose() => folder.Delete(recursive: true);

    [Theory]
    [InlineData("ed25519", "", false)]
    [InlineData("ed25519", "correct horse", true)]
    [InlineData("rsa", "correct horse", true)]
    [InlineData("ecdsa", "", false)]
    public void A_key_file_tells_its_public_key_and_whether_it_is_locked(string type, string passphrase, bool locked)
    {
        var file = Path.Combine(folder.FullName, "id");
        SshServer.Run("ssh-keygen", "-q", "-t", type, "-N", passphrase, "-f", file);

        var header = OpenSshKeyHeader.Read(File.ReadAllText(file));

        Assert.Equal(locked, header?.IsEncrypted);
        Assert.Equal(SshServer.PublicKey(file), $"{header!.Type} {Convert.ToBase64String(header.PublicKey)}");
        Assert.False(header.IsInToken);
    }

    [Fact]
    public void The_key_of_a_token_is_recognised() => Assert.True(OpenSshKeyHeader.Read(TokenKey())?.IsInToken);

    [Theory]
    [InlineData("")]
    [InlineData("ssh-ed25519 AAAA")]
    [InlineData("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----")]
    [InlineData("-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----")]
    [InlineData("-----BEGIN OPENSSH PRIVATE KEY-----\n!\n-----END OPENSSH PRIVATE KEY-----")]
    [InlineData("-----END OPENSSH PRIVATE KEY-----\nAAAA\n-----BEGIN OPENSSH PRIVATE KEY-----")]
    public void Anything_else_is_not_read(string text) => Assert.Null(OpenSshKeyHeader.Read(text));

    [Fact]
    public void A_damaged_file_never_throws() => Gen.Select(Gen.Int[0, 200], Gen.Byte).Sample((position, value) =>
    {
        const string begin = "-----BEGIN OPENSSH PRIVATE KEY-----\n", end = "\n-----END OPENSSH PRIVATE KEY-----";
        var bytes = Convert.FromBase64String(TokenKey()[begin.Length..^end.Length]);
        bytes[position % bytes.Length] = value;

        _ = OpenSshKeyHeader.Read(begin + Convert.ToBase64String(bytes) + end);
        _ = OpenSshKeyHeader.Read(begin + Convert.ToBase64String(bytes[..(position % bytes.Length)]) + end);
    });

    /// <summary>The file that ssh-keygen -t ed25519-sk would write, as far as it can be read without the token.</summary>
    internal static string TokenKey()
    {
        var publicKey = Words("sk-ssh-ed25519@openssh.com", new string('k', 32), "ssh:");
        byte[] key =
        [
            .. "openssh-key-v1\0"u8, .. Words("none", "none", ""), .. Number(1),
            .. Number(publicKey.Length), .. publicKey, .. Words(new string('p', 64)),
        ];
        return $"-----BEGIN OPENSSH PRIVATE KEY-----\n{Convert.ToBase64String(key)}\n-----END OPENSSH PRIVATE KEY-----";
    }

    private static byte[] Words(params string[] words) =>
        words.SelectMany(w => (byte[])[.. Number(w.Length), .. Encoding.ASCII.GetBytes(w)]).ToArray();

    private static byte[] Number(int value)
    {
        var bytes = new byte[sizeof(int)];
        BinaryPrimitives.WriteInt32BigEndian(bytes, value);
        return bytes;
    }
}
